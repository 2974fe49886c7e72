"""What goes with a tenant on this side: its rows by cascade, its running jobs, its keys in Redis."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from providers import doorbell
from providers.jobs import pace
from providers.jobs.event_log import stream_key
from providers.jobs.transitions import QUEUED, RUNNING
from providers.models import Job, ModelEntry, Provider
from providers.redis import REDIS_DOWN, RedisError, key, sync_redis
from tenants.actors import Actor
from tenants.deletion import Step, register

KEYS_AT_ONCE: Final = 500
SLOT_KEYS: Final = ("", ":line", ":alive", ":cards", ":charged", ":flows", ":round", ":said")  # as slots.lua names them
SLOT_KEYS_OF_TENANT: Final = (":calls:", ":jobs:", ":of:")

log = structlog.get_logger(__name__)


def _jobs(tenant_id: UUID, *states: str) -> QuerySet[Job]:
    return Job.objects.for_tenant(tenant_id).filter(state__in=states)


def _names(model: type[Provider] | type[ModelEntry], tenant_id: UUID) -> list[str]:
    return list(model.objects.for_tenant(tenant_id).order_by("name").values_list("name", flat=True))


def _with_the_row(tenant_id: UUID, by: Actor) -> None:
    """The tenant's row takes it along."""


def _end_jobs(tenant_id: UUID, by: Actor) -> None:
    """Their workers hang up: the row that they would write to is gone."""
    for job_id, owner in _jobs(tenant_id, RUNNING).values_list("pk", "lease_owner"):
        transaction.on_commit(partial(doorbell.call_worker, owner, f"cancel:{job_id}"))


def _forget_in_redis(tenant_id: UUID, by: Actor) -> None:
    transaction.on_commit(partial(_delete, [*_streams(tenant_id), *_slots(tenant_id)]))


def _streams(tenant_id: UUID) -> list[str]:
    """Of jobs that go on, or that ended so lately that their events may still be there."""
    since = timezone.now() - timedelta(seconds=2 * settings.JOB_STREAM_SECONDS)
    lately = Job.objects.for_tenant(tenant_id).filter(Q(finished_at=None) | Q(finished_at__gt=since))
    return [stream_key(job_id) for job_id in lately.values_list("pk", flat=True)]


def _slots(tenant_id: UUID) -> list[str]:
    """Of endpoints that are this tenant's alone."""
    ids = Provider.objects.for_tenant(tenant_id).values_list("pk", flat=True)
    endpoints = [f"provider:{provider_id}" for provider_id in ids]
    ledgers = [*endpoints, *(f"own:{provider_id}" for provider_id in ids)]
    parts = [*SLOT_KEYS, *(part + tenant_id.hex for part in SLOT_KEYS_OF_TENANT)]
    now = [key("pace", "ends", tenant_id, span) for span in pace.spans()]
    return [*now, *(key("pace", endpoint) for endpoint in endpoints)] + [
        key("slots", ledger) + part for ledger in ledgers for part in parts
    ]


def _delete(names: list[str]) -> None:
    """Where Redis does not answer, what is there runs out by itself; it cannot be opened any more."""
    try:
        for start in range(0, len(names), KEYS_AT_ONCE):
            batch = names[start : start + KEYS_AT_ONCE]
            sync_redis().srem(key("slots"), *batch)
            sync_redis().unlink(*batch)
    except (RedisError, *REDIS_DOWN) as down:
        log.warning("redis_keys_not_deleted", keys=len(names), error=type(down).__name__)


def _queued(tenant_id: UUID) -> Any:
    return _jobs(tenant_id, QUEUED).count()


def _running(tenant_id: UUID) -> Any:
    return _jobs(tenant_id, RUNNING).count()


register(Step("providers", partial(_names, Provider), _forget_in_redis))
register(Step("models", partial(_names, ModelEntry), _with_the_row))
register(Step("queued_jobs", _queued, _with_the_row))
register(Step("running_jobs", _running, _end_jobs))
