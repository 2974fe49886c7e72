"""F13: web and workers are restarted with SIGTERM, one after the other, under load, three times over."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tenants.in_db import in_db
from tests.chaos.aftermath import read_rows
from tests.chaos.callers import Caller
from tests.chaos.processes import Process
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.stage import Stage, gathered, seconds_p
from tests.chaos.upstream import Prompt

ROUNDS = 3
DRAIN_SECONDS = 30.0
RETRY_FOR_SECONDS = 90.0
RETRY_EVERY_SECONDS = 0.5


async def play(stage: Stage) -> None:
    acme = await stage.tenant("acme", max_concurrency=48)
    loading, calls = asyncio.Event(), []
    load = asyncio.create_task(_load(stage, acme, loading, calls))
    drains = []
    for number in range(ROUNDS):
        drains += [await _restart(stage, process) for process in (*stage.stack.workers, stage.stack.web)]
        stage.say(f"round {number + 1}: slowest drain so far {max(drains):.1f} s")
    loading.set()
    readers = await load
    stage.holds("every job ended", await stage.all_ended(240))
    outcomes = await gathered(calls, RETRY_FOR_SECONDS + 30)
    readings = await gathered(readers, 60)
    rows = await in_db(read_rows, list(stage.tenants))
    stage.figure("calls and submits", f"{len(outcomes)} and {len(stage.submitted)}")
    stage.exactly("calls that failed behind a retry", sum(not good for good in outcomes), 0)
    stage.at_most("drain, longest", seconds_p(drains, 100), DRAIN_SECONDS)
    stage.exactly("jobs with a crash counted", sum(row.crashes > 0 for row in rows), 0)
    stage.exactly("jobs succeeded", sum(row.state == "succeeded" for row in rows), len(stage.submitted))
    stage.exactly("readers that came to `done`", sum(reading.done is not None for reading in readings), len(readers))


async def _restart(stage: Stage, process: Process) -> float:
    """How long it took to end. The supervisor starts it again; the next one is not touched before it is ready."""
    began_at = time.monotonic()
    stage.note_fault("SIGTERM", process=process.name)
    pid = process.pid
    process.terminate()
    while process.pid == pid and process.is_alive:
        assert time.monotonic() - began_at < 2 * DRAIN_SECONDS, f"{process.name} does not end"
        await asyncio.sleep(0.02)
    took = time.monotonic() - began_at
    await stage.stack.ready()
    return took


async def _load(stage: Stage, acme: Caller, ending: asyncio.Event, calls: list[asyncio.Task[bool]]) -> list[Any]:
    """Jobs, some of them followed, and plain calls of `/v1`, until told to end."""
    readers = []
    while not ending.is_set():
        prompt = Prompt(stage.nonce(), tokens=8, pause_seconds=stage.random.uniform(0.05, 0.4))
        nonce, job = await stage.submit(acme, prompt)
        if job is not None and stage.random.random() < 0.2:
            readers += stage.follow(acme, {nonce: job})
        calls.append(asyncio.create_task(_call(stage, acme)))
        await asyncio.sleep(0.25)
    return readers


async def _call(stage: Stage, acme: Caller) -> bool:
    """A plain call, asked again as an SDK does."""
    body = {"model": "m", **Prompt(stage.nonce(), tokens=4, pause_seconds=0.1).as_input()}
    ends_at = time.monotonic() + RETRY_FOR_SECONDS
    while time.monotonic() < ends_at:
        status, _, _ = await acme.call("POST", f"{acme.url}/v1/chat/completions", json=body)
        if status is not None and status < 500 and status != 429:
            return status == 200
        await asyncio.sleep(RETRY_EVERY_SECONDS)
    return False


SCENARIO = Scenario("F13", "a rolling restart under load", play)
