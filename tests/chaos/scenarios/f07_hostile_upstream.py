"""F7: a model server that hangs, drips, resets, lies, floods and asks for patience."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from tenants.in_db import in_db
from tests.chaos.aftermath import read_rows
from tests.chaos.callers import Caller
from tests.chaos.checker import Row
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.stage import Stage
from tests.chaos.toxic import LimitData, Slicer, Toxic, ToxicProxy
from tests.chaos.upstream import Call, Prompt

JOBS_EACH = 20
DEADLINE_SECONDS = 45
TIMEOUT_SECONDS = 3.0
OVERSHOOT_SECONDS = 2.0
MOST_MEGABYTES = 32.0
CALLS_BEFORE_REST = 10
REST_SECONDS = 4.0  # a breaker rests for five at first
LATE: Final = "deadline_exceeded"  # where a resting model is waited for
TIMEOUTS: Final = {"first_token_timeout_seconds": TIMEOUT_SECONDS, "idle_timeout_seconds": TIMEOUT_SECONDS}


@dataclass(frozen=True)
class Case:
    script: str
    codes: frozenset[str]  # that the job may end with; empty: it succeeds
    toxics: tuple[Toxic, ...] = ()
    concurrency: int = 5


def _case(script: str, *codes: str, toxics: tuple[Toxic, ...] = (), concurrency: int = 5) -> Case:
    return Case(script, frozenset({*codes, LATE} if codes else ()), toxics, concurrency)


CASES: Final = (
    _case("hang", "first_token_timeout"),
    _case("hang_after_a_token", "stalled"),
    _case("drip", "first_token_timeout"),
    _case("reset", "bad_response", "backend_crashed", "connection_refused", "connect_timeout"),
    _case("reset_after_a_token", "bad_response", "backend_crashed", "stalled", "error_in_stream"),
    _case("garbage", "bad_response"),
    _case("http_0_9", "bad_response"),
    _case("error_500", "bad_response", "backend_crashed"),
    _case("key_in_error", "bad_response", "backend_crashed"),
    _case("busy_429"),
    _case("busy_429_date"),
    _case("busy_429_absurd", "overloaded"),
    _case("truncated", "bad_response", "error_in_stream"),
    _case("no_done", "bad_response", "empty_stream", "error_in_stream"),
    _case("two_dones"),
    _case("bad_json", "bad_response", "empty_stream"),
    _case("huge", "bad_response", concurrency=1),
    _case("long_line", "bad_response", "first_token_timeout", concurrency=1),
    _case("ok", toxics=(Slicer(3, way="down"),), concurrency=2),
    Case("ok", frozenset({"bad_response", "backend_crashed", LATE}), (LimitData(300, way="down"),)),
)


async def play(stage: Stage) -> None:
    before = {worker.pid: worker.rss_bytes() for worker in stage.stack.workers}
    with ExitStack() as held:
        jobs: list[tuple[Case, dict[str, str]]] = []
        for number, case in enumerate(CASES):
            proxy = held.enter_context(ToxicProxy(stage.stack.upstream.port, list(case.toxics)))
            name = f"{number}-{case.script.replace('_', '-')}"
            tenant = await stage.tenant(name, port=proxy.port, max_concurrency=case.concurrency, **TIMEOUTS)
            jobs.append((case, await _submit(stage, tenant, case)))
        ended = await stage.all_ended(DEADLINE_SECONDS * 3)
    stage.holds("every job ended", ended)
    rows = {row.job: row for row in await in_db(read_rows, list(stage.tenants))}
    for case, submitted in jobs:
        _tell_codes(stage, case, [rows[job.replace("-", "")] for job in submitted.values()])
    late = [row.finished_at - row.deadline_at for row in rows.values() if row.finished_at]
    stage.at_most("deadline overshoot, longest", max(late), OVERSHOOT_SECONDS)
    _tell_breakers(stage)
    grown = [_peak(stage, pid) - rss for pid, rss in before.items()]
    stage.at_most("memory of a worker, most above the start", max(grown) / 2**20, MOST_MEGABYTES, "MB")


async def _submit(stage: Stage, tenant: Caller, case: Case) -> dict[str, str]:
    prompts = [Prompt(stage.nonce(), case.script) for _ in range(JOBS_EACH)]
    return await stage.submit_many(tenant, prompts, deadline_seconds=DEADLINE_SECONDS)


def _tell_codes(stage: Stage, case: Case, rows: Sequence[Row]) -> None:
    found = {row.error_code or row.state for row in rows}
    wanted = case.codes or {"succeeded"}
    name = case.script + "".join(f", {type(toxic).__name__}" for toxic in case.toxics)
    stage.figure(name, ", ".join(sorted(found)), ", ".join(sorted(wanted - {LATE})), found <= wanted)


def _tell_breakers(stage: Stage) -> None:
    """Calls of one model that only ever failed, until nothing was asked for a while."""
    for script in ("error_500", "hang", "garbage"):
        calls = [call for call in stage.stack.upstream.calls if call.script == script]
        stage.at_most(f"{script}: calls until the model rests", _until_rest(calls), CALLS_BEFORE_REST, "")


def _until_rest(calls: Sequence[Call]) -> int:
    for number, (one, other) in enumerate(pairwise(calls), start=1):
        ended_at = one.ended_at or one.aborted_at or one.started_at
        if other.started_at - max(ended_at, one.started_at) >= REST_SECONDS:
            return number
    return len(calls)


def _peak(stage: Stage, pid: int) -> int:
    found = [rss for (_, process), samples in stage.memory.samples.items() if process == pid for _, rss in samples]
    return max(found, default=0)


SCENARIO = Scenario("F7", "a hostile model server", play)
