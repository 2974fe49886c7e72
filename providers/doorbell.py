"""Doorbells: "look again". A row is written first, the bell rings after its commit, and a lost bell costs seconds.

Bells for jobs are coalesced: while `door:jobs` stands, someone has rung and nobody has looked since. The one who
sets it pushes onto a list that the workers' loops read with BLPOP; where the list is not being emptied, a Celery
message goes out as a second way in. Whoever looks takes the flag away *before* looking, so that a row committed
later rings again. Validations and discoveries run in Celery's threads and get a message each.
"""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError as BrokerError
from prometheus_client import Counter

from providers.redis import REDIS_DOWN, RedisError, async_redis, key, sync_redis

Kind = Literal["job", "validation", "discovery"]

JOBS = "jobs"
FLAG_SECONDS = 5
BELL_SECONDS = 60  # a bell that nobody heard is worth nothing after this
MOST_BELLS = 100  # of one list: while all loops are full, each second brings one
LOOK_TASK = "providers.look"
TASKS: dict[str, str] = {"validation": "providers.validate", "discovery": "providers.discover"}
PUBLISH_RETRY: dict[str, Any] = {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.1}

log = structlog.get_logger(__name__)
unheard = Counter("modelyard_doorbells_lost", "Doorbells that could not be rung; the sweep finds their rows", ["kind"])


def ring(kind: Kind, row_id: UUID | str) -> None:
    """Tell the workers, once this transaction is committed, that a row waits. Never raises when the broker is down."""
    transaction.on_commit(lambda: ring_now(kind, row_id))


def ring_now(kind: Kind, row_id: UUID | str = "") -> None:
    """Ring at once; for rows that are committed already."""
    try:
        if kind == "job":
            _ring_jobs()
        else:
            _send(TASKS[kind], str(row_id))
    except (BrokerError, RedisError, *REDIS_DOWN) as down:
        unheard.labels(kind).inc()
        log.warning("doorbell_lost", kind=kind, row_id=str(row_id), error=type(down).__name__)


def bell_list(queue: str) -> str:
    """The list that the loops of all workers read; `jobs/<owner>` is the one of a single worker."""
    return key("bell", queue)


async def take_flag(queue: str = JOBS) -> None:
    """Say that somebody looks now: rows committed from here on ring again."""
    await async_redis().delete(key("door", queue))


async def ring_on() -> None:
    """Ring for the other workers, from a loop that has taken all it can and leaves some."""
    client = async_redis()
    if await client.set(key("door", JOBS), 1, nx=True, ex=FLAG_SECONDS):
        pipeline = client.pipeline(transaction=False)
        pipeline.rpush(bell_list(JOBS), "look")
        pipeline.ltrim(bell_list(JOBS), -MOST_BELLS, -1)
        pipeline.expire(bell_list(JOBS), BELL_SECONDS)
        await pipeline.execute()


def call_worker(owner: str, word: str) -> None:
    """Push a word onto one worker's own list, such as `cancel:<job id>`; if it is lost, its heartbeat tells it."""
    try:
        _push(f"{JOBS}/{owner}", word)
    except (RedisError, *REDIS_DOWN) as down:
        unheard.labels("call").inc()
        log.warning("worker_call_lost", owner=owner, error=type(down).__name__)


def _ring_jobs() -> None:
    client = sync_redis()
    if not client.set(key("door", JOBS), 1, nx=True, ex=FLAG_SECONDS):
        return
    if _push(JOBS, "look") > 1:  # nobody takes them: perhaps the loops lost their connection, and Celery has not
        _send(LOOK_TASK, JOBS)


def _push(queue: str, word: str) -> int:
    """How many words wait on the list now; a loop that sits in BLPOP leaves none."""
    pipeline = sync_redis().pipeline(transaction=False)
    name = bell_list(queue)
    pipeline.rpush(name, word)
    pipeline.expire(name, BELL_SECONDS)
    return int(pipeline.execute()[0])


def _send(task: str, argument: str) -> None:
    current_app.send_task(
        task, args=[argument], ignore_result=True, expires=BELL_SECONDS, retry=True, retry_policy=PUBLISH_RETRY
    )
