"""What a job holds of its caller's words, and how it goes: on request, or when its time is over."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from providers.errors import Conflict
from providers.jobs import endings
from providers.jobs.transitions import TERMINAL
from providers.models import Job
from tenants import audit
from tenants.actors import Actor

FACTS_DAYS: Final = 90
AT_ONCE: Final = 500  # rows of one sweep, so that no sweep holds the database for long

_ERASED: Final = {"input": None, "result": None, "content_erased_at": Now()}


def erase(job: Job, *, by: Actor) -> None:
    """Take input, result and frames away for good; the facts stay. Raises Conflict `job_not_finished`."""
    with transaction.atomic():
        ended = Job.objects.for_tenant(job.tenant_id).filter(pk=job.pk, state__in=TERMINAL)
        if not ended.exists():
            raise Conflict("job_not_finished", "The job has not ended yet. Cancel it first.")
        if not ended.filter(content_erased_at=None).update(**_ERASED):
            return
        audit.record(
            tenant=job.tenant_id,
            by=by,
            action="job.content_erased",
            object_type="job",
            object_id=job.pk,
            label=job.model_name,
        )
        transaction.on_commit(partial(endings.forget, job))


def erase_old() -> int:
    """For the sweep: content beyond JOB_RETENTION_DAYS, then rows beyond 90 days. How many rows changed."""
    content_age = Now() - timedelta(days=settings.JOB_RETENTION_DAYS)
    old = Job.unscoped.filter(state__in=TERMINAL, content_erased_at=None, finished_at__lt=content_age)
    ids = list(old.values_list("pk", flat=True)[:AT_ONCE])
    erased = Job.unscoped.filter(pk__in=ids).update(**_ERASED) if ids else 0
    facts_age = Now() - timedelta(days=FACTS_DAYS)
    gone = list(Job.unscoped.filter(Q(finished_at__lt=facts_age)).values_list("pk", flat=True)[:AT_ONCE])
    return erased + (Job.unscoped.filter(pk__in=gone).delete()[0] if gone else 0)
