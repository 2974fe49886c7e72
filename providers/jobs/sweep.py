"""Find what fell between: leases of dead workers, passed deadlines, bells nobody heard, content whose time is over.

Runs every five seconds, by Celery's schedule and in each worker's loop; every change is conditional, so that two sweeps
at once do no harm.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any, Final

import structlog
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from providers import doorbell, usage
from providers.errors import DeadlineExceeded, ProviderError, WorkerLost
from providers.jobs import content, endings
from providers.jobs.owner import is_gone
from providers.jobs.suspects import AT_ONCE
from providers.jobs.transitions import QUEUED, RUNNING, TERMINAL, take_away
from providers.models import Job
from tenants import idempotency

MOST_CRASHES: Final = 3
BATCH: Final = 500
RETENTION_EVERY_SECONDS: Final = 600.0
_UNREAD: Final = ("input", "result")

log = structlog.get_logger(__name__)
_retention_at = 0.0


def sweep() -> None:
    """Once through everything. Raises only what the database raises."""
    take_back_lost_leases()
    expire_overdue()
    ring_for_forgotten()
    erase_now_and_then()


def take_back_lost_leases() -> int:
    """Jobs whose worker is gone: queued again, or ended as their row says. How many."""
    owners = list(Job.unscoped.filter(state=RUNNING).values_list("lease_owner", flat=True).distinct())
    gone = [owner for owner in owners if is_gone(owner)]
    is_lost = Q(lease_until__lt=Now()) | Q(lease_owner__in=gone)
    jobs = list(Job.unscoped.filter(is_lost, state=RUNNING).defer(*_UNREAD).order_by("pk")[:BATCH])
    ran_beside = Counter(job.lease_owner for job in jobs)
    taken = [job for job in jobs if _take_back(job, is_lost, is_full=ran_beside[job.lease_owner] > AT_ONCE)]
    if any(job.state == QUEUED for job in taken):
        doorbell.ring_now("job")
    return len(taken)


def expire_overdue() -> int:
    """Queued jobs whose deadline has passed. Running ones are ended by their worker."""
    overdue = Job.unscoped.filter(state=QUEUED, deadline_at__lte=Now()).defer(*_UNREAD)[:BATCH]
    error = DeadlineExceeded(message="The deadline passed while the job was waiting.").as_job_error()
    return sum(_end(job, "expired", expected=QUEUED, error=error) for job in overdue)


def ring_for_forgotten() -> None:
    """Ring where something waits that may run; a bell too many costs one look."""
    may_run = Q(run_after=None) | Q(run_after__lte=Now())
    if Job.unscoped.filter(may_run, state=QUEUED).exists():
        doorbell.ring_now("job")


def erase_now_and_then() -> None:
    global _retention_at
    if time.monotonic() - _retention_at >= RETENTION_EVERY_SECONDS or not _retention_at:
        _retention_at = time.monotonic()
        content.erase_old()
        idempotency.purge()


def _take_back(job: Job, still: Q, *, is_full: bool) -> bool:
    crashes = job.crashes if is_full else job.crashes + 1
    log.warning("job_lease_lost", job=str(job.pk), owner=job.lease_owner, attempt=job.attempt, crashes=crashes)
    facts: dict[str, Any] = {"still": still, "crashes": crashes, "is_suspect": True}
    if job.cancel_requested_at is not None:
        return _end(job, "cancelled", expected=RUNNING, **facts)
    if crashes >= MOST_CRASHES:
        return _end(job, "dead", expected=RUNNING, error=_lost("Three workers died while they ran this job."), **facts)
    if job.restart == "before_first_token" and job.first_token_at is not None:
        error = _lost("The worker died after the first token, and the job may not start again.")
        return _end(job, "failed", expected=RUNNING, error=error, **facts)
    if not take_away(job, QUEUED, expected=RUNNING, first_token_at=None, **facts):
        return False
    endings.tell_queued(job)
    return True


def _lost(message: str) -> dict[str, Any]:
    error: ProviderError = WorkerLost(message=message)
    return error.as_job_error()


def _end(job: Job, state: str, *, expected: str, **changes: Any) -> bool:
    assert state in TERMINAL
    if not take_away(job, state, expected=expected, **changes):
        return False
    if expected == RUNNING:
        _meter(job)
    endings.tell_end(job)
    return True


def _meter(job: Job) -> None:
    """What its workers could not note any more: the job was with a model server, what it used is not known."""
    usage.record(
        usage.Call(
            tenant_id=job.tenant_id,
            model_name=job.model_name,
            operation=job.operation,
            outcome=job.error["code"] if job.error else job.state,
            total_ms=max(0, int((timezone.now() - (job.started_at or job.created_at)).total_seconds() * 1000)),
            api_key_id=job.api_key_id,
            provider_id=job.provider_id,
            model_entry_id=job.model_entry_id,
            job_id=job.pk,
        )
    )
