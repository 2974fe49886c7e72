"""F15: doorbells a hundred times over, out of order, for ids that have ended, are another's or never were."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

from celery import current_app

from providers import doorbell
from tenants.in_db import in_db
from tests.chaos.aftermath import read_rows
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.stage import Stage
from tests.chaos.upstream import Prompt

QUIET_SECONDS = 6.0  # a sweep and a heartbeat later whatever a hint could do has been done
ERRORS = frozenset({"NotRegistered", "TypeError", "ValueError", "InvalidTaskError", "KeyError"})


async def play(stage: Stage) -> None:
    jobs, times = stage.size(60, 12), 100
    acme, globex = await stage.tenant("acme", max_concurrency=8), await stage.tenant("globex", max_concurrency=8)
    ended = await stage.submit_many(acme, [Prompt(stage.nonce()) for _ in range(jobs // 3)])
    assert await stage.all_ended(240), "the first jobs did not end"
    running = await stage.submit_many(
        globex, [Prompt(stage.nonce(), tokens=30, pause_seconds=0.2) for _ in range(jobs // 3)]
    )
    waiting = await stage.submit_many(acme, [Prompt(stage.nonce(), tokens=2) for _ in range(jobs // 3)])
    cancelled = [job for _, job in [await stage.submit(acme, Prompt(stage.nonce(), tokens=2)) for _ in range(3)]]
    for job in cancelled:
        await acme.cancel(str(job))
    hints = list(_hints([*ended.values(), *running.values(), *waiting.values(), *map(str, cancelled)], times))
    stage.random.shuffle(hints)
    owners = await in_db(_owners)
    await in_db(_send, stage, hints, owners)
    stage.figure("forged hints", len(hints))
    await asyncio.sleep(QUIET_SECONDS)
    # Whoever was told nonsense hears on: a job is picked up by its bell, not by the sweep.
    after = await stage.submit_many(acme, [Prompt(stage.nonce()) for _ in range(3)])
    stage.holds("every job ended", await stage.all_ended(240))
    rows = {row.job: row for row in await in_db(read_rows, list(stage.tenants))}
    calls = len(stage.stack.upstream.calls)
    stage.exactly("executions beyond one for each job", calls - len({c.nonce for c in stage.stack.upstream.calls}), 0)
    wanted = [*ended.values(), *running.values(), *waiting.values(), *after.values()]
    states = [rows[job.replace("-", "")].state for job in wanted]
    stage.exactly("jobs that nobody cancelled and that succeeded", states.count("succeeded"), len(wanted))
    stage.holds("the workers live", all(worker.is_alive for worker in stage.stack.workers))


def _hints(jobs: list[str], times: int) -> Iterator[tuple[str, str]]:
    """`("word", …)` for the lists that loops read, `(task name, argument)` for Celery."""
    for number in range(times):
        job = jobs[number % len(jobs)]
        yield "word", "look"
        yield "word", f"cancel:{job}"
        yield "word", f"cancel:{uuid.uuid4()}"
        yield doorbell.LOOK_TASK, doorbell.JOBS
        yield doorbell.TASKS["validation"], job
        yield doorbell.TASKS["discovery"], str(uuid.uuid4())
    yield from (("word", "cancel:no-id"), ("word", "\x00"), ("word", ""))
    yield doorbell.TASKS["validation"], "no-id"
    yield "providers.no_such_task", "x"


def _owners() -> list[str]:
    from providers.models import Job

    return [owner for owner in Job.unscoped.values_list("lease_owner", flat=True).distinct() if owner]


def _send(stage: Stage, hints: list[tuple[str, str]], owners: list[str]) -> None:
    client = stage.stack.valkey.client()
    for number, (name, argument) in enumerate(hints):
        if name == "word":
            queue = doorbell.JOBS if not owners or number % 2 else f"{doorbell.JOBS}/{owners[number % len(owners)]}"
            client.rpush(doorbell.bell_list(queue), argument)
        else:
            current_app.send_task(name, args=[argument], ignore_result=True)
    stage.note_fault("forged hints", count=len(hints))


SCENARIO = Scenario("F15", "forged and repeated hints", play, allowed_errors=ERRORS, has_short_form=True)
