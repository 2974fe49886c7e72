"""A job as clients see it: the same object in REST, in `event: done` and in the answer to a submit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from providers.jobs.event_log import END_NUMBER, Cursor, Position, encode
from providers.jobs.new_job import NewJob
from providers.jobs.settlement import result_place
from providers.models import Job
from tenants.sealing import Undecryptable, open_sealed

UNLOADED = ("input", "result")  # what no list and no poll of a running job should drag out of the database


def job_url(slug: str, job_id: UUID) -> str:
    return f"/api/v1/tenants/{slug}/jobs/{job_id}"


def job_facts(
    job: Job | NewJob, *, slug: str, result: Any = None, queue: dict[str, Any] | None = None
) -> dict[str, Any]:
    """`result` is the upstream's body, opened; `queue` stands for a queued job alone."""
    return {
        "id": str(job.id),
        "state": str(job.state),
        "operation": job.operation,
        "model": job.model_name,
        "priority": job.priority,
        "restart": job.restart,
        "attempt": job.attempt,
        "queue": queue,
        "events_url": f"{job_url(slug, job.id)}/events",
        "result": result,
        "error": job.error,
        "usage": job.usage,
        "created_at": _moment(job.created_at),
        "started_at": _moment(job.started_at),
        "finished_at": _moment(job.finished_at),
        "deadline_at": _moment(job.deadline_at),
        "cancel_requested_at": _moment(job.cancel_requested_at),
        "content_erased_at": _moment(job.content_erased_at),
        "redrive_of": str(job.redrive_of) if job.redrive_of else None,
        "metadata": job.metadata,
    }


def opened_result(job: Job) -> Any:
    """The upstream's body. None where there is none, where it was erased, or where it does not open any more."""
    if job.result is None or job.content_erased_at is not None:
        return None
    try:
        return orjson.loads(open_sealed(bytes(job.result), result_place(job.tenant_id, job.pk)))
    except Undecryptable:
        return None


def done_event(tenant_id: UUID, job_id: UUID) -> tuple[Position, bytes] | None:
    """The last event of an ended job, from its row: the same bytes each time. None while it runs, or is gone."""
    rows = Job.objects.for_tenant(tenant_id).filter(pk=job_id, state__in=Job.TERMINAL)
    job = rows.select_related("tenant").defer("input").first()
    if job is None:
        return None
    at = Position(max(1, job.lease_token), END_NUMBER)
    body = job_facts(job, slug=job.tenant.slug, result=opened_result(job))
    return at, encode("done", orjson.dumps(body), Cursor(job.attempt, at))


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")
