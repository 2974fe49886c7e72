"""F3: a worker takes the doorbell from Redis and dies before it has looked."""

from __future__ import annotations

import asyncio

from providers.jobs.dispatcher import BELL_BLOCK_SECONDS
from tests.chaos.processes import Process
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.stack import READY_SECONDS
from tests.chaos.stage import Stage, seconds_p
from tests.chaos.upstream import Prompt

PICKED_UP_SECONDS = 6.0 + 1.0  # and the claim
BELLS = "modelyard:bell:jobs"


async def play(stage: Stage) -> None:
    rounds = stage.size(100, 8)
    acme = await stage.tenant("acme")
    waits, lost = [], 0
    for number in range(rounds):
        hearing, deaf = await _two_ready(stage, number)
        await stage.stack.freeze(deaf)
        await asyncio.sleep(BELL_BLOCK_SECONDS + 0.2)  # Redis has told it that there is nothing: it waits no more
        await stage.stack.freeze(hearing)
        nonce, job = await stage.submit(acme, Prompt(stage.nonce()))
        assert job is not None, "a submit was refused"
        lost += stage.stack.valkey.client().llen(BELLS) == 0
        killed_at = stage.note_fault("SIGSTOP, bell, kill -9", process=hearing.name)
        hearing.kill()
        deaf.thaw()
        calls = await stage.until(lambda nonce=nonce: stage.stack.upstream.of(nonce), 120, what="the job is picked up")
        waits.append(calls[0].started_at - killed_at)
        if stage.is_short and lost:
            break
    await stage.all_ended(240)
    stage.exactly("jobs accepted", len(stage.submitted), len(waits))
    stage.figure("bells that died with their worker", lost, "> 0", lost > 0)
    stage.at_most("from the kill to the call, longest", seconds_p(waits, 100), PICKED_UP_SECONDS)
    stage.figure("from the kill to the call, median", seconds_p(waits, 50))
    stage.exactly("succeeded", (await stage.states()).get("succeeded", 0), len(waits))


async def _two_ready(stage: Stage, number: int) -> tuple[Process, Process]:
    """One that will hear and die, one that is left. Further workers sleep all the while."""
    workers = stage.stack.workers[:2]
    for spare in stage.stack.workers[2:]:
        if spare.is_alive:
            spare.kill()
    await stage.until(lambda: all(map(stage.stack.is_ready, workers)), READY_SECONDS, what="two workers are up")
    return workers[number % 2], workers[1 - number % 2]


SCENARIO = Scenario("F3", "the doorbell is lost with the worker that took it", play, has_short_form=True)
