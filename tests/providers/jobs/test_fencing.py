"""An attempt that lost its lease writes nothing any more: not its row, not its stream, not its usage."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any
from uuid import UUID

import redis
from django.utils import timezone

from providers.jobs import claims, heartbeat, lines
from providers.jobs.event_log import stream_key
from providers.jobs.frames import FrameWriter
from providers.jobs.settlement import Settlement, Spent, note_first_token, settle_all
from providers.jobs.sweep import sweep
from providers.models import Job, UsageRecord
from tests.providers.jobs.client import JobsClient

OTHER = "elsewhere.1/4711/1"
SPENT = Spent(usage={"prompt_tokens": 1, "completion_tokens": 1}, is_estimated=False, first_token_ms=1, total_ms=2)


def claim_one(owner: str = OTHER) -> claims.Claimed:
    [line] = lines.waiting()
    [claimed] = claims.claim({line.name: 10}, owner=owner)
    return claimed


def lose_lease(job_id: UUID) -> None:
    Job.unscoped.filter(pk=job_id).update(lease_until=timezone.now() - timedelta(seconds=1))


def on_a_loop(coro: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coro)


def test_a_claim_is_given_to_one_caller_alone(acme_jobs: JobsClient):
    acme_jobs.submit()
    [line] = lines.waiting()

    assert len(claims.claim({line.name: 1}, owner="one")) == 1
    assert claims.claim({line.name: 1}, owner="two") == []
    assert lines.waiting() == []


def test_a_stale_attempt_cannot_settle(acme_jobs: JobsClient):
    job_id = acme_jobs.submit()["id"]
    stale = claim_one()
    lose_lease(stale.id)
    sweep()
    fresh = claim_one()

    told = settle_all([Settlement(stale, "succeeded", result=b'{"stale":true}', spent=SPENT)])

    assert told == [""]
    job = acme_jobs.job(job_id)
    assert (job["state"], job["attempt"], job["result"], job["usage"]) == ("running", 2, None, None)
    assert UsageRecord.unscoped.count() == 0
    assert settle_all([Settlement(fresh, "succeeded", result=b'{"fresh":true}', spent=SPENT)]) == ["succeeded"]
    assert acme_jobs.job(job_id)["result"] == {"fresh": True}


def test_nobody_settles_twice(acme_jobs: JobsClient):
    acme_jobs.submit()
    job = claim_one()

    assert settle_all([Settlement(job, "succeeded", result=b"{}", spent=SPENT)]) == ["succeeded"]
    assert settle_all([Settlement(job, "failed", error={"code": "x"}, spent=SPENT)]) == [""]
    assert UsageRecord.unscoped.count() == 1


def test_a_stale_attempt_cannot_write_into_the_stream(acme_jobs: JobsClient, redis_here: str):
    acme_jobs.submit()
    stale = claim_one()
    lose_lease(stale.id)
    sweep()
    fresh = claim_one()

    async def write(job: claims.Claimed, word: bytes) -> None:
        writer = FrameWriter()
        lane = writer.open(job.id, attempt=job.attempt, token=job.token, box=job.box, seconds_left=60)
        lane.add("delta", word)
        lane.end()
        await writer.drain(30)

    on_a_loop(write(fresh, b"fresh"))
    before = redis.Redis.from_url(redis_here).xrange(stream_key(fresh.id))
    on_a_loop(write(stale, b"stale"))

    assert redis.Redis.from_url(redis_here).xrange(stream_key(fresh.id)) == before


def test_a_stale_attempt_learns_from_its_heartbeat(acme_jobs: JobsClient):
    acme_jobs.submit()
    stale = claim_one(owner="one")
    lose_lease(stale.id)
    sweep()
    fresh = claim_one(owner="two")

    assert heartbeat.beat([stale.id], owner="one").held == frozenset()
    assert heartbeat.beat([fresh.id], owner="two").held == {(fresh.id, fresh.token)}


def test_a_stale_attempt_cannot_show_a_first_token(acme_jobs: JobsClient):
    acme_jobs.submit(restart="before_first_token")
    stale = claim_one()
    lose_lease(stale.id)
    sweep()

    assert not note_first_token(stale)


def test_a_lease_that_was_renewed_is_not_swept(acme_jobs: JobsClient):
    job_id = acme_jobs.submit()["id"]
    job = claim_one(owner="one")
    lose_lease(job.id)
    heartbeat.beat([job.id], owner="one")

    sweep()

    assert acme_jobs.job(job_id)["state"] == "running"


def test_a_cancel_that_raced_the_return_to_the_queue_wins(acme_jobs: JobsClient):
    job_id = acme_jobs.submit()["id"]
    job = claim_one()
    acme_jobs.post(f"/jobs/{job_id}/cancel")

    assert settle_all([Settlement(job, "queued", delay_seconds=5)]) == ["cancelled"]
    assert acme_jobs.job(job_id)["state"] == "cancelled"
