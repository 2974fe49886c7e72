"""F16: two thousand jobs are cancelled at about the moment in which they end."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.chaos.callers import Caller
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.stage import Stage, gathered
from tests.chaos.upstream import Prompt

RACES = 2000
AT_ONCE = 40
TOKENS, PAUSE_SECONDS = 3, 0.05
RUNS_SECONDS = TOKENS * PAUSE_SECONDS


async def play(stage: Stage) -> None:
    acme = await stage.tenant("acme", max_concurrency=AT_ONCE)
    room = asyncio.Semaphore(AT_ONCE)
    races = [asyncio.create_task(_race(stage, acme, room, number % 20 == 0)) for number in range(RACES)]
    statuses = Counter(await gathered(races, 900))
    stage.holds("every job ended", await stage.all_ended(120))
    states = await stage.states()
    cancelled, succeeded = states.get("cancelled", 0), states.get("succeeded", 0)
    stage.exactly("races", len(stage.submitted), RACES)
    stage.figure("cancelled, and succeeded", f"{cancelled} and {succeeded}", "both", bool(cancelled and succeeded))
    stage.exactly("one or the other", cancelled + succeeded, RACES)
    stage.exactly("cancels that were refused", sum(n for status, n in statuses.items() if status not in (200, 202)), 0)


async def _race(stage: Stage, acme: Caller, room: asyncio.Semaphore, is_followed: bool) -> int | None:
    async with room:
        prompt = Prompt(stage.nonce(), tokens=TOKENS, pause_seconds=PAUSE_SECONDS)
        nonce, job = await stage.submit(acme, prompt)
        assert job is not None, "a submit was refused"
        reader = asyncio.create_task(acme.follow(nonce, job)) if is_followed else None
        await asyncio.sleep(stage.random.uniform(0, RUNS_SECONDS * 2))
        status = await acme.cancel(job)
        if reader is not None:
            await reader
        return status


SCENARIO = Scenario("F16", "cancels that race the end", play)
