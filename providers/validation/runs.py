"""Validation runs: queued after a change or on demand, cancelled when what they check has changed, found when lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from providers import breakers, doorbell
from providers.errors import WorkerLost
from providers.forms import CheckedForm
from providers.invalidation import invalidate
from providers.locks import provider_locked
from providers.models import Credential, ModelEntry, Provider, ValidationRun
from providers.upstream.egress import origin_of
from tenants import audit
from tenants.actors import SYSTEM, Actor
from tenants.problems import FieldError, invalid
from tenants.sealing import Context, seal

State = ValidationRun.State
OPEN: Final = (State.QUEUED, State.RUNNING)
MAX_ATTEMPTS: Final = 3  # starts of one run whose workers died
HEARD_SECONDS: Final = 10  # a doorbell not answered within this time counts as lost
RING_AT_ONCE: Final = 200
MAX_MODELS: Final = 50


def queue_run(
    provider: Provider,
    *,
    level: str,
    by: Actor,
    models: Sequence[str] | None = None,
    credential: Credential | None = None,
) -> ValidationRun:
    """Store a run and ring for a worker after the commit. `models` are names of the provider's entries, for `infer`.

    With `credential` the run tries that staged one, and promotes it if it passes.
    """
    refuse_unusable_models(level, models)
    if models is not None:
        _refuse_foreign_models(provider, models)
    run = ValidationRun(
        tenant_id=provider.tenant_id,
        provider=provider,
        credential=credential,
        level=level,
        models_to_infer=list(models) if models is not None else None,
    )
    with transaction.atomic():
        run.save(force_insert=True)
        _record(run, by, "queued", label=provider.name, provider=str(provider.id), level=level)
        doorbell.ring("validation", run.id)
    return run


def queue_form_run(
    *, tenant_id: UUID, by: Actor, form: CheckedForm, level: str, models: Sequence[Any] | None = None
) -> ValidationRun:
    """Store a run for a form that is not saved. Its secrets are sealed in the run and wiped at its end."""
    refuse_unusable_models(level, models)
    run = ValidationRun(tenant_id=tenant_id, level=level, models_to_infer=list(models) if models is not None else None)
    run.form = {"kind": form.kind, "base_url": form.base_url, "settings": form.settings}
    secrets = json.dumps(form.credentials).encode()
    run.form_secrets = seal(secrets, form_context(run)) if form.credentials else None
    with transaction.atomic():
        run.save(force_insert=True)
        _record(run, by, "queued", label=form.base_url, kind=form.kind, level=level)
        doorbell.ring("validation", run.id)
    return run


def form_context(run: ValidationRun) -> Context:
    """Where a form's secrets belong: this run, and the server they were typed for."""
    assert run.form is not None
    return Context(run.tenant_id, ValidationRun._meta.db_table, run.id, "form_secrets", origin_of(run.form["base_url"]))


def endpoint_changed(provider: Provider, *, by: Actor) -> ValidationRun:
    """What was known of the provider is void: forget it, drop the runs that checked it, and check anew.

    In the transaction of the change, under the provider's lock.
    """
    for run in _runs(provider).filter(state__in=OPEN):
        _end_cancelled(run)
    provider.state, provider.state_reason, provider.state_since = Provider.State.UNVERIFIED, None, timezone.now()
    provider.version = F("version") + 1
    provider.save(update_fields=["state", "state_reason", "state_since", "version", "updated_at"])
    provider.refresh_from_db(fields=["version"])
    invalidate(provider.tenant_id)
    entries = ModelEntry.objects.for_tenant(provider.tenant_id).filter(provider_id=provider.id)
    breakers.close(provider.id, *entries.values_list("id", flat=True))
    return queue_run(provider, level=ValidationRun.Level.MODELS, by=by)


def cancel_run(run: ValidationRun, *, by: Actor) -> bool:
    """End an open run. False when it had ended already. A worker that has it stops within seconds."""
    with provider_locked(run.tenant_id, run.provider_id):
        if not _end_cancelled(run):
            return False
        if run.provider_id is not None:
            no_longer_validating(run.tenant_id, run.provider_id)
        _record(run, by, "cancelled", label=str(run.id))
    return True


def no_longer_validating(tenant_id: UUID, provider_id: UUID) -> None:
    """A run ended without a verdict: a provider that was being validated for the first time is unverified again."""
    rows = Provider.objects.for_tenant(tenant_id).filter(id=provider_id, state=Provider.State.VALIDATING)
    rows.update(state=Provider.State.UNVERIFIED, state_since=timezone.now())


def latest_run(provider: Provider) -> ValidationRun | None:
    return _runs(provider).order_by("-id").first()


# --- Finding what was lost ---


def sweep(now: datetime | None = None) -> int:
    """Queue again what a dead worker held, and ring again for what nobody took. Returns how many were rung for."""
    now = now or timezone.now()
    for run in ValidationRun.unscoped.filter(state=State.RUNNING, lease_until__lt=now)[:RING_AT_ONCE]:
        _take_back(run)
    unheard = Q(created_at__lt=now - timedelta(seconds=HEARD_SECONDS)) | Q(attempt__gt=0)
    waiting = ValidationRun.unscoped.filter(unheard, state=State.QUEUED).exclude(tenant_id__in=_tenants_at_limit(now))
    run_ids = list(waiting.order_by("id").values_list("id", flat=True)[:RING_AT_ONCE])
    for run_id in run_ids:
        doorbell.ring("validation", run_id)
    return len(run_ids)


def _take_back(run: ValidationRun) -> None:
    """Free a run whose lease ended, under the token it had; give up on one that has killed several workers."""
    held = ValidationRun.unscoped.filter(id=run.id, state=State.RUNNING, lease_token=run.lease_token)
    if run.attempt < MAX_ATTEMPTS:
        held.update(state=State.QUEUED, lease_until=None)
        return
    with provider_locked(run.tenant_id, run.provider_id):
        lost = WorkerLost()
        told = {"code": lost.code, "message": lost.message, "remedy": lost.remedy}
        ended = held.update(
            state=State.FAILED, diagnosis=told, finished_at=timezone.now(), form_secrets=None, lease_until=None
        )
        if ended and run.provider_id is not None:
            no_longer_validating(run.tenant_id, run.provider_id)


def runs_started(since: datetime) -> QuerySet[ValidationRun]:
    return ValidationRun.unscoped.filter(started_at__gt=since)


def _tenants_at_limit(now: datetime) -> list[UUID]:
    started = runs_started(now - timedelta(minutes=1)).values("tenant_id").annotate(runs=Count("id"))
    return list(started.filter(runs__gte=settings.VALIDATIONS_PER_MINUTE).values_list("tenant_id", flat=True))


# --- Steps ---


def refuse_unusable_models(level: str, models: Sequence[Any] | None) -> None:
    if models is None:
        return
    if level != ValidationRun.Level.INFER:
        raise invalid([FieldError("models", "invalid", "Models are named for level `infer` only.")])
    if not 1 <= len(models) <= MAX_MODELS:
        raise invalid([FieldError("models", "invalid", f"Name 1 to {MAX_MODELS} models, or leave the field out.")])


def _refuse_foreign_models(provider: Provider, models: Sequence[str]) -> None:
    entries = ModelEntry.objects.for_tenant(provider.tenant_id).filter(provider_id=provider.id, name__in=models)
    unknown = sorted(set(models) - set(entries.values_list("name", flat=True)))
    if unknown:
        message = f"This provider has no model entry {unknown[0]!r}."
        raise invalid([FieldError("models", "does_not_exist", message)])


def _runs(provider: Provider) -> QuerySet[ValidationRun]:
    return ValidationRun.objects.for_tenant(provider.tenant_id).filter(provider_id=provider.id)


def _end_cancelled(run: ValidationRun) -> bool:
    rows = ValidationRun.objects.for_tenant(run.tenant_id).filter(id=run.id, state__in=OPEN)
    return bool(rows.update(state=State.CANCELLED, finished_at=timezone.now(), form_secrets=None, lease_until=None))


def _record(run: ValidationRun, by: Actor, action: str, *, label: str, **detail: Any) -> None:
    if by == SYSTEM:
        return  # the platform's own checks are history in the runs themselves
    audit.record(
        tenant=run.tenant_id,
        by=by,
        action=f"validation.{action}",
        object_type="validation",
        object_id=run.id,
        label=label,
        detail=detail,
    )
