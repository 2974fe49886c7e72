"""Who works on a run: a claim raises its lease token, and every later write carries that token or changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db.models import F, QuerySet
from django.utils import timezone

from providers import doorbell
from providers.errors import LostClaim
from providers.locks import provider_locked
from providers.models import Provider, ValidationRun
from providers.untrusted import storable
from tenants.models import Tenant

State = ValidationRun.State
LEASE_SECONDS: Final = 15
BEAT_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Claim:
    """A run, taken by this worker. `token` fences off whoever had it before."""

    run_id: UUID
    tenant_id: UUID
    token: int


def claim(run_id: UUID) -> Claim | None:
    """Take a queued run. A Claim for exactly one caller, however many race; None for the others.

    None also while the tenant has had its runs of this minute: the sweep rings again. The claim lapses after
    `LEASE_SECONDS` unless renewed. A provider never validated before becomes `validating`.
    """
    run = ValidationRun.unscoped.filter(id=run_id, state=State.QUEUED).first()
    if run is None:
        return None
    with provider_locked(run.tenant_id, run.provider_id) as provider:
        # Two workers count one after the other.
        Tenant.objects.select_for_update(no_key=True).filter(id=run.tenant_id).first()
        if _is_at_limit(run.tenant_id):
            return None
        taken = Claim(run.id, run.tenant_id, run.lease_token + 1)
        if not _take(run, taken):
            return None
        if provider is not None and provider.state == Provider.State.UNVERIFIED:
            provider.state, provider.state_since = Provider.State.VALIDATING, timezone.now()
            provider.save(update_fields=["state", "state_since"])
    return taken


def renew(held: Claim) -> None:
    """Prolong the lease. Raises LostClaim when the run was cancelled or taken over."""
    _write(held, lease_until=_lease_end())


def write_steps(held: Claim, steps: list[dict[str, Any]]) -> None:
    """Store the findings so far. Raises LostClaim."""
    _write(held, steps=storable(steps), lease_until=_lease_end())


def release(held: Claim) -> None:
    """Give the run back, as if it had never been taken, and ring for another worker: this one is being stopped."""
    if rows(held).update(state=State.QUEUED, lease_until=None, started_at=None, attempt=F("attempt") - 1):
        doorbell.ring_now("validation", held.run_id)


def rows(held: Claim) -> QuerySet[ValidationRun]:
    """The run, if this claim still holds it; else nothing. For conditional updates."""
    runs = ValidationRun.objects.for_tenant(held.tenant_id)
    return runs.filter(id=held.run_id, state=State.RUNNING, lease_token=held.token)


def _write(held: Claim, **values: Any) -> None:
    if not rows(held).update(**values):
        raise LostClaim(str(held.run_id))


def _take(run: ValidationRun, taken: Claim) -> bool:
    queued = ValidationRun.unscoped.filter(id=run.id, state=State.QUEUED, lease_token=run.lease_token)
    now = timezone.now()
    values = {"attempt": run.attempt + 1, "lease_token": taken.token, "lease_until": _lease_end(), "started_at": now}
    return bool(queued.update(state=State.RUNNING, steps=[], **values))


def _is_at_limit(tenant_id: UUID) -> bool:
    minute_ago = timezone.now() - timedelta(minutes=1)
    started = ValidationRun.objects.for_tenant(tenant_id).filter(started_at__gt=minute_ago)
    return bool(started.count() >= settings.VALIDATIONS_PER_MINUTE)


def _lease_end() -> datetime:
    return timezone.now() + timedelta(seconds=LEASE_SECONDS)
