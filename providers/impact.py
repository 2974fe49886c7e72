"""What would be affected if a provider, a credential or a model went: shown before a delete, and in its refusal."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from providers.models import DefaultModel, Job, ModelEntry, Provider
from tenants.problems import Problem

OPEN_JOBS = (Job.State.QUEUED, Job.State.RUNNING)


def of_provider(provider: Provider) -> dict[str, Any]:
    return _impact(provider.tenant_id, _entries(provider), open_jobs(provider))


def of_model(entry: ModelEntry) -> dict[str, Any]:
    """A model's own impact: the defaults that name it, and the jobs that wait for it."""
    impact = _impact(entry.tenant_id, _itself(entry), open_jobs_of_model(entry))
    return {name: impact[name] for name in ("default_models", "running_jobs", "queued_jobs")}


def hold_of_provider(provider: Provider) -> list[Job]:
    """Lock all that goes with it, until the commit, and give its open jobs.

    All of it before the first audit event: the head of the audit log is everybody's last lock.
    """
    return _hold(provider.tenant_id, _entries(provider), open_jobs(provider))


def hold_of_model(entry: ModelEntry) -> list[Job]:
    """The same for a model."""
    return _hold(entry.tenant_id, _itself(entry), open_jobs_of_model(entry))


def is_none(impact: dict[str, Any]) -> bool:
    return not any(impact.values())


def refuse_in_use(impact: dict[str, Any], detail: str) -> None:
    """Raise `in_use` with the impact unless there is none."""
    if not is_none(impact):
        raise Problem("in_use", detail, extra={"impact": impact})


def open_jobs(provider: Provider) -> QuerySet[Job]:
    return Job.objects.for_tenant(provider.tenant_id).filter(provider_id=provider.id, state__in=OPEN_JOBS)


def open_jobs_of_model(entry: ModelEntry) -> QuerySet[Job]:
    return Job.objects.for_tenant(entry.tenant_id).filter(model_entry_id=entry.id, state__in=OPEN_JOBS)


def _entries(provider: Provider) -> QuerySet[ModelEntry]:
    return ModelEntry.objects.for_tenant(provider.tenant_id).filter(provider_id=provider.id)


def _itself(entry: ModelEntry) -> QuerySet[ModelEntry]:
    return ModelEntry.objects.for_tenant(entry.tenant_id).filter(id=entry.id)


def _hold(tenant_id: UUID, entries: QuerySet[ModelEntry], jobs: QuerySet[Job]) -> list[Job]:
    defaults = DefaultModel.objects.for_tenant(tenant_id).filter(model__in=entries)
    for rows in (entries, defaults):
        list(rows.order_by("pk").select_for_update().values_list("pk"))
    return list(jobs.order_by("pk").select_for_update())


def _impact(tenant_id: UUID, entries: QuerySet[ModelEntry], jobs: QuerySet[Job]) -> dict[str, Any]:
    defaults = DefaultModel.objects.for_tenant(tenant_id).filter(model__in=entries)
    return {
        "models": [{"id": str(id), "name": name} for id, name in entries.order_by("name").values_list("id", "name")],
        "default_models": sorted(defaults.values_list("type", flat=True)),
        "running_jobs": jobs.filter(state=Job.State.RUNNING).count(),
        "queued_jobs": jobs.filter(state=Job.State.QUEUED).count(),
    }
