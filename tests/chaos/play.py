"""Play one scenario: tenants of its own, a history of its own, and the checks afterwards."""

from __future__ import annotations

import argparse
import asyncio
import random
from contextlib import suppress
from pathlib import Path

import aiohttp

from tenants.in_db import in_db
from tests.chaos import aftermath, row_log
from tests.chaos.history import History
from tests.chaos.report import Report, Result
from tests.chaos.scenarios import ALL
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.stack import Stack
from tests.chaos.stage import Stage

CALL_SECONDS = 15.0
CONNECTIONS = 500
IDLE_SECONDS = 2.0  # far below that of the web process, which else closes a connection as it is used again
REST_SECONDS = 180.0


def chosen(options: argparse.Namespace) -> list[Scenario]:
    """Those that were asked for. Ends the program for a name it does not know."""
    unknown = [name for name in options.scenarios if name not in ALL]
    if unknown:
        raise SystemExit(f"There is no {', '.join(unknown)}. There are: {', '.join(ALL)}.")
    wanted = [ALL[name] for name in options.scenarios] or list(ALL.values())
    if options.short:
        wanted = [scenario for scenario in wanted if scenario.has_short_form]
    if options.database == "sqlite":
        wanted = [scenario for scenario in wanted if not scenario.needs_postgres]
    return wanted


async def play(scenario: Scenario, stack: Stack, report: Report, *, seed: int, is_short: bool) -> Result:
    result = Result(scenario.name, scenario.title)
    report.say(f"{scenario.name}: {scenario.title}")
    history = History(stack.directory / f"history-{scenario.name}.sqlite3")
    stack.upstream.calls.clear()
    stack.upstream.on_call = lambda call: None
    await in_db(row_log.clear)
    logged = {path: path.stat().st_size for path in stack.logs.iterdir()}
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        chance = random.Random(f"{seed}:{scenario.name}")
        stage = Stage(stack, history, result, report, chance, is_short, session)
        await _with_supervisor(scenario, stage)
    result.findings += _errors(logged, stack.logs, scenario)
    history.close()
    return result


async def _with_supervisor(scenario: Scenario, stage: Stage) -> None:
    files_before = {process.name: process.open_files() for process in stage.stack.all}
    beside = [
        asyncio.create_task(stage.stack.supervise()),
        asyncio.create_task(stage.memory.watch(stage.stack.all)),
    ]
    try:
        await scenario.play(stage)
    except AssertionError as failure:
        stage.result.findings.append(f"the scenario came to its end early: {failure}")
        await stage.all_ended(REST_SECONDS)  # else the next one finds them
    finally:
        for task in beside:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    await stage.stack.ready()
    await stage.conclude(files_before)


def _errors(logged: dict[Path, int], logs: Path, scenario: Scenario) -> list[str]:
    """I8: exceptions with a traceback that neither the fault nor a leaving client explains."""
    found = []
    for path in sorted(logs.iterdir()):
        with path.open("rb") as log:
            log.seek(logged.get(path, 0))
            text = log.read().decode(errors="replace")
        strange = aftermath.errors_in(text) - aftermath.USUAL_ERRORS - scenario.allowed_errors
        found += [f"I8: {path.name} tells of {name}" for name in sorted(strange)]
    return found
