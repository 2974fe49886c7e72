"""End a job that nobody wants any more. What waits ends at once; what runs is told, and ends within two seconds."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.db.models.functions import Now

from providers import doorbell
from providers.jobs import endings
from providers.jobs.transitions import QUEUED, RUNNING, TERMINAL, take_away
from providers.models import Job
from tenants import audit
from tenants.actors import Actor

TRIES = 5  # a job may move between being read and being changed


def cancel(job: Job, *, by: Actor) -> Job:
    """Ask for the end of a job. Terminal states never change: cancelling an ended job does nothing.

    Gives the job as it is now: `cancelled` if it was queued, else still `running` with `cancel_requested_at`. Its
    worker hears of it through Redis, or within five seconds from its heartbeat.
    """
    for _ in range(TRIES):
        with transaction.atomic():
            if job.state in TERMINAL or (job.state == RUNNING and job.cancel_requested_at is not None):
                return job
            if _cancel_queued(job) or _ask_running(job):
                _record(job, by)
                return job
        job.refresh_from_db()
    return job


def _cancel_queued(job: Job) -> bool:
    if job.state != QUEUED or not take_away(job, "cancelled", expected=QUEUED, cancel_requested_at=Now()):
        return False
    transaction.on_commit(partial(endings.tell_end, job))
    return True


def _ask_running(job: Job) -> bool:
    running = Job.objects.for_tenant(job.tenant_id).filter(pk=job.pk, state=RUNNING, cancel_requested_at=None)
    if job.state != RUNNING or not running.update(cancel_requested_at=Now()):
        return False
    job.refresh_from_db(fields=["state", "cancel_requested_at", "lease_owner"])
    transaction.on_commit(partial(doorbell.call_worker, job.lease_owner, f"cancel:{job.pk}"))
    return True


def _record(job: Job, by: Actor) -> None:
    audit.record(
        tenant=job.tenant_id,
        by=by,
        action="job.cancelled",
        object_type="job",
        object_id=job.pk,
        label=job.model_name,
        detail={"operation": job.operation, "attempt": job.attempt},
    )
