"""F4: Redis is killed and comes back empty; then it is paused; then it is full."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tests.chaos.callers import Caller
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.stage import Stage, gathered, seconds_p
from tests.chaos.upstream import Prompt

RESUMED_SECONDS = 15.0
DOWN_SECONDS = 4
SUBMITS_MEANWHILE = 10
# Celery and its scheduler say with a traceback that Redis is away or full; closing a connection that was refused for
# want of room, kombu stumbles over itself.
ERRORS = frozenset(
    {"ConnectionError", "TimeoutError", "SchedulingError", "OutOfMemoryError", "AttributeError", "RestartFreqExceeded"}
)


async def play(stage: Stage) -> None:
    queued, streams = stage.size(500, 20), stage.size(50, 4)
    stream_seconds, pause_seconds = stage.size(30, 4), stage.size(60, 3)
    for_the_queue = stage.size(8, 2)  # else nothing starts before a stream ends, however soon dispatch goes on
    acme = await stage.tenant("acme", max_concurrency=streams + for_the_queue)
    paced = [Prompt(stage.nonce(), tokens=stream_seconds * 4, pause_seconds=0.25) for _ in range(streams)]
    running = await stage.submit_many(acme, paced, at_once=10)
    await stage.until(lambda: len(stage.stack.upstream.calls) >= streams * 0.9, 120, what="the streams run")
    readers = stage.follow(acme, running)
    waiting = [Prompt(stage.nonce(), tokens=4, pause_seconds=0.3) for _ in range(queued)]
    await stage.submit_many(acme, waiting, at_once=16)
    valkey = stage.stack.valkey

    stage.say("Redis is killed, and its files are gone")
    stage.note_fault("kill -9, emptied", process="valkey")
    valkey.lose_everything()
    await _meanwhile(stage, acme, "down", stage.size(DOWN_SECONDS, 1))
    valkey.start()
    await _resumed(stage, acme, "emptied", stage.note_fault("start", process="valkey"))

    stage.say(f"Redis is paused for {pause_seconds} s")
    stage.note_fault("SIGSTOP", process="valkey")
    valkey.process.freeze()
    await _meanwhile(stage, acme, "paused", pause_seconds)
    valkey.process.thaw()
    await _resumed(stage, acme, "paused", stage.note_fault("SIGCONT", process="valkey"))

    stage.say("Redis is full")
    await _fill_up(stage, acme)
    ended = await stage.all_ended(300)
    readings = await gathered(readers, 60)
    stage.holds("every job ended", ended)
    stage.exactly("jobs succeeded", (await stage.states()).get("succeeded", 0), len(stage.submitted))
    stage.exactly("readers that came to `done`", sum(reading.done is not None for reading in readings), streams)
    gaps = sum("gap" in reading.names or "restart" in reading.names for reading in readings)
    stage.figure("readers that were told of a gap or a restart", gaps)


async def _fill_up(stage: Stage, acme: Caller) -> None:
    client = stage.stack.valkey.client()
    most = client.config_get("maxmemory")["maxmemory"]
    stage.note_fault("maxmemory 1", process="valkey")
    client.config_set("maxmemory", "1")
    await _meanwhile(stage, acme, "full", stage.size(DOWN_SECONDS, 1))
    client.config_set("maxmemory", most)
    await _resumed(stage, acme, "full", stage.note_fault("maxmemory as before", process="valkey"))


async def _meanwhile(stage: Stage, acme: Caller, when: str, seconds: int) -> None:
    """Submits are taken while it lasts; each by its first answer."""
    ends_at = time.monotonic() + seconds
    refused_before = len(stage.history.of("refused")) + len(stage.history.of("unknown"))
    took = []
    for _ in range(SUBMITS_MEANWHILE):
        began_at = time.monotonic()
        await stage.submit(acme, Prompt(stage.nonce(), tokens=4))
        took.append(time.monotonic() - began_at)
    refused = len(stage.history.of("refused")) + len(stage.history.of("unknown")) - refused_before
    stage.exactly(f"{when}: submits that were not answered with 202", refused, 0)
    stage.figure(f"{when}: slowest submit", seconds_p(took, 100))
    await asyncio.sleep(max(0.0, ends_at - time.monotonic()))


async def _resumed(stage: Stage, acme: Caller, when: str, since: float) -> None:
    """Until a call begins. Should the line be empty by now, one more job is in it."""
    upstream = stage.stack.upstream
    await stage.submit(acme, Prompt(stage.nonce(), tokens=4))

    def started() -> float | None:
        return next((call.started_at for call in upstream.calls if call.started_at > since), None)

    found = await _first(started, 60.0)
    stage.at_most(f"{when}: dispatch resumed after", (found or since + 60.0) - since, RESUMED_SECONDS)


async def _first(condition: Callable[[], float | None], seconds: float) -> float | None:
    ends_at = time.monotonic() + seconds
    while (found := condition()) is None and time.monotonic() < ends_at:
        await asyncio.sleep(0.02)
    return found


SCENARIO = Scenario("F4", "Redis emptied, paused, full", play, allowed_errors=ERRORS, has_short_form=True)
