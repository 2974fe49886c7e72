"""F1: kill -9 of a worker every three seconds, in the middle of streams."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from providers.models import Job
from tenants.in_db import in_db
from tests.chaos.checker import TERMINAL
from tests.chaos.row_log import RowChange
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.stage import Stage, gathered, seconds_p
from tests.chaos.upstream import Prompt

KILL_EVERY_SECONDS = 3.0
RECOVERY_SECONDS = 40.0
AFTER_SECONDS = 300.0


async def play(stage: Stage) -> None:
    jobs, kill_seconds = stage.size(300, 12), stage.size(180, 6)
    acme = await stage.tenant("acme", max_concurrency=24)
    globex = await stage.tenant("globex", max_concurrency=24)
    killing = asyncio.create_task(_kill(stage, kill_seconds))
    pace = kill_seconds * 0.8 / jobs
    readers, may_fail = [], set()
    for number in range(jobs):
        caller = (acme, globex)[number % 2]
        restart = "before_first_token" if number % 5 == 4 else "always"
        prompt = Prompt(stage.nonce(), tokens=20, pause_seconds=stage.random.uniform(0.05, 0.1))
        nonce, job = await stage.submit(caller, prompt, restart=restart)
        if restart != "always":
            may_fail.add(job)
        if number % 4 == 0 and job is not None:
            readers += stage.follow(caller, {nonce: job})
        await asyncio.sleep(pace)
    kills = await killing
    stage.say(f"{len(kills)} workers killed; now {await stage.states()}")
    ended = await stage.all_ended(AFTER_SECONDS)
    await gathered(readers, 30)
    stage.exactly("jobs accepted", len(stage.submitted), jobs)
    stage.holds("every job ended", ended)
    stage.figure("workers killed", len(kills))
    failed = await in_db(_failed, list(stage.submitted.values()))
    stage.exactly("jobs that failed and might have run again", len(failed - may_fail), 0)
    await _tell(stage, kills)


def _failed(jobs: Sequence[str]) -> set[str]:
    return {str(pk) for pk in Job.unscoped.filter(pk__in=jobs, state="failed").values_list("pk", flat=True)}


async def _kill(stage: Stage, seconds: float) -> list[tuple[float, int]]:
    """When, and which process."""
    ends_at = time.monotonic() + seconds
    kills = []
    while time.monotonic() < ends_at:
        await asyncio.sleep(KILL_EVERY_SECONDS)
        ready = [worker for worker in stage.stack.workers if stage.stack.is_ready(worker)]
        if ready:
            victim = stage.random.choice(ready)
            pid = victim.pid
            victim.kill()
            kills.append((stage.note_fault("kill -9", process=victim.name, pid=pid), pid))
    return kills


async def _tell(stage: Stage, kills: Sequence[tuple[float, int]]) -> None:
    changes = await in_db(stage.changes)
    taken_back, again = [], []
    for killed_at, pid in kills:
        for claim in _held_by(changes, pid, killed_at):
            later = [change for change in changes if change.job == claim.job and change.at > killed_at]
            taken_back += [later[0].at - killed_at] if later else []
            next_start = [c.at - killed_at for c in later if c.state == "running" or c.state in TERMINAL]
            again += next_start[:1]
    states = await stage.states()
    stage.figure("attempts that were cut", len(again))
    stage.at_most("recovery p99, from the kill to the next start or the end", seconds_p(again, 99), RECOVERY_SECONDS)
    stage.figure("of it, until the lease was taken back, p99", seconds_p(taken_back, 99))
    stage.figure("states at the end", ", ".join(f"{count} {state}" for state, count in sorted(states.items())))
    unexpected = {state: count for state, count in states.items() if state not in ("succeeded", "failed", "dead")}
    stage.exactly("states other than succeeded, failed, dead", len(unexpected), 0)


def _held_by(changes: Sequence[RowChange], pid: int, at: float) -> Iterator[RowChange]:
    """The claims that this process held at that moment."""
    last: dict[str, RowChange] = {}
    for change in changes:
        if change.at <= at:
            last[change.job] = change
    for change in last.values():
        if change.state == "running" and change.owner.split("/")[1:2] == [str(pid)]:
            yield change


SCENARIO = Scenario("F1", "kill -9 of workers, again and again", play, has_short_form=True)
