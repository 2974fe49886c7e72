"""Say in a job's stream that somebody other than its attempt has moved it: a cancel, the sweep, an operator."""

from __future__ import annotations

from typing import Any

import orjson
import structlog
from django.conf import settings
from django.utils import timezone

from providers.jobs.event_log import ATTEMPT_FIELD, SEALED_FIELD, Event, Position, entry_id, pack, place, stream_key
from providers.jobs.frames import Entry, end_entry
from providers.models import Job
from providers.redis import REDIS_DOWN, RedisError, sync_redis
from tenants.sealing import Box

log = structlog.get_logger(__name__)


def tell_end(job: Job) -> None:
    """After the commit. Readers are sent to the row; if this is lost, they find out by themselves within seconds."""
    box = Box(place(job.tenant_id, job.pk))
    _write(end_entry(stream_key(job.pk), job.lease_token, job.attempt, box, count=0))


def tell_queued(job: Job) -> None:
    """After the commit: the job waits for its next attempt. `job` is as its row is."""
    status = Event("status", orjson.dumps({"state": "queued", "attempt": job.attempt}))
    box = Box(place(job.tenant_id, job.pk))
    at = Position(job.lease_token, 0)
    seconds_left = max(0, int((job.deadline_at - timezone.now()).total_seconds()))
    expiry_seconds = seconds_left + settings.JOB_STREAM_SECONDS
    _write(Entry(stream_key(job.pk), at, job.attempt, box.seal(pack([status])), 1, expiry_seconds))


def forget(job: Job) -> None:
    """Take the stream away, with the content it holds."""
    try:
        sync_redis().delete(stream_key(job.pk))
    except (RedisError, *REDIS_DOWN) as down:
        log.warning("job_stream_not_deleted", job=str(job.pk), error=type(down).__name__)


def _write(entry: Entry) -> None:
    fields: dict[Any, Any] = {ATTEMPT_FIELD: entry.attempt, SEALED_FIELD: entry.blob}
    try:
        pipeline = sync_redis().pipeline(transaction=False)
        pipeline.xadd(entry.key, fields, id=entry_id(entry.position))
        pipeline.expire(entry.key, entry.expiry_seconds or settings.JOB_STREAM_SECONDS)
        pipeline.execute(raise_on_error=False)
    except (RedisError, *REDIS_DOWN) as down:
        log.warning("job_event_lost", error=type(down).__name__)
