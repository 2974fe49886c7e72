"""F2: a worker is stopped for a minute, loses its leases, and wakes up in the middle of its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tenants.in_db import in_db
from tests.chaos.processes import Process
from tests.chaos.row_log import RowChange
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.stage import Stage, gathered, holders, seconds_p
from tests.chaos.upstream import Call, Prompt

FROZEN_SECONDS = 60.0
ABORT_SECONDS = 1.0
PAUSE_SECONDS = 0.5


async def play(stage: Stage) -> None:
    acme = await stage.tenant("acme", direct=True, max_concurrency=64)
    short = [Prompt(stage.nonce(), tokens=20, pause_seconds=PAUSE_SECONDS) for _ in range(40)]
    long = [Prompt(stage.nonce(), tokens=160, pause_seconds=PAUSE_SECONDS) for _ in range(10)]
    prompts = [*short, *long]
    stage.random.shuffle(prompts)
    jobs = await stage.submit_many(acme, prompts, at_once=25)
    await stage.until(lambda: len(stage.stack.upstream.calls) >= 40, 60, what="40 calls run")
    readers = stage.follow(acme, dict(list(jobs.items())[:10]))
    zombie = await _busiest(stage)
    frozen_at = stage.note_fault("SIGSTOP", process=zombie.name)
    zombie.freeze()
    await asyncio.sleep(FROZEN_SECONDS)
    stage.note_fault("SIGCONT", process=zombie.name)
    zombie.thaw()
    stage.exactly("jobs accepted", len(jobs), len(prompts))
    stage.holds("every job ended", await stage.all_ended(240))
    await gathered(readers, 30)
    await _tell(stage, zombie, frozen_at)


async def _busiest(stage: Stage) -> Process:
    held = holders(await in_db(stage.changes))
    by_worker = {worker.name: sum(pid == worker.pid for pid in held.values()) for worker in stage.stack.workers}
    return max(stage.stack.workers, key=lambda worker: by_worker[worker.name])


async def _tell(stage: Stage, zombie: Process, frozen_at: float) -> None:
    thawed_at = frozen_at + FROZEN_SECONDS
    changes = await in_db(stage.changes)
    lost = _taken_from(changes, zombie.pid, frozen_at)
    stale = [call for call in stage.stack.upstream.calls if call.started_at < frozen_at and _is_of(stage, call, lost)]
    aborted = [call.aborted_at - thawed_at for call in stale if call.aborted_at and call.aborted_at > thawed_at - 1]
    answered = [call for call in stale if call.ended_at is not None and call.ended_at > frozen_at]
    stage.figure("attempts that lost their lease", len(lost), "> 0", bool(lost))
    stage.figure("of them, answered in full while the worker was stopped", len(answered), "> 0", bool(answered))
    stage.figure("of them, still streaming when it woke up", len(aborted), "> 0", bool(aborted))
    stage.at_most("upstream aborted after the wake-up, longest", seconds_p(aborted, 100), ABORT_SECONDS)
    late = [c for c in changes if c.at > thawed_at and c.owner.split("/")[1:2] == [str(zombie.pid)]]
    kept = [change for change in late if change.job in lost and change.token == lost[change.job]]
    stage.exactly("stale writes", len(kept), 0)


def _taken_from(changes: Sequence[RowChange], pid: int, at: float) -> dict[str, int]:
    """Jobs that the process held then and that were taken away from it, with the token it had."""
    held = _tokens(changes, pid, at)
    gone = {c.job for c in changes if c.at > at and c.job in held and c.token > held[c.job]}
    return {job: held[job] for job in gone}


def _tokens(changes: Sequence[RowChange], pid: int, at: float) -> dict[str, int]:
    last = {change.job: change for change in changes if change.at <= at}
    return {job: c.token for job, c in last.items() if c.state == "running" and c.owner.split("/")[1] == str(pid)}


def _is_of(stage: Stage, call: Call, jobs: dict[str, int]) -> bool:
    return stage.submitted.get(call.nonce, "").replace("-", "") in jobs


SCENARIO = Scenario("F2", "a worker that was stopped for a minute wakes up", play)
