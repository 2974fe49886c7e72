"""Erasing a tenant: an explicit list of steps, to which the apps above add theirs in `AppConfig.ready`.

Each step says what it would remove (the impact) and removes it. The last act deletes the tenant's row and, by
cascade, its data keys: sealed text that is left anywhere cannot be opened again. A receipt says so, and stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from tenants import changes
from tenants.actors import Actor
from tenants.models import ApiKey, DeletionReceipt, Membership, Tenant
from tenants.problems import Problem
from tenants.sealing import data_keys

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """`impact(tenant_id)` counts or names what would go; `erase(tenant_id, by)` removes it, in the transaction.

    A step whose impact is not empty stops a deletion without `cascade`, unless `is_dependent` is false.
    """

    name: str
    impact: Callable[[UUID], Any]
    erase: Callable[[UUID, Actor], None]
    is_dependent: bool = True


_steps: dict[str, Step] = {}


def register(step: Step) -> None:
    _steps[step.name] = step


def impact_of(tenant: Tenant) -> dict[str, Any]:
    return {step.name: step.impact(tenant.id) for step in _steps.values()}


def delete_tenant(tenant: Tenant, *, by: Actor, cascade: bool = False) -> DeletionReceipt:
    """Remove a tenant and everything it owns, in one transaction; the receipt and the log are all that is left of it.

    Raises Problem `in_use`, with the impact, when something depends on it and `cascade` is false.
    """
    with transaction.atomic():
        impact = impact_of(tenant)
        if not cascade and any(impact[step.name] for step in _steps.values() if step.is_dependent):
            raise Problem("in_use", extra={"impact": impact})
        receipt = _receipt(tenant, impact, by)
        for step in _steps.values():
            step.erase(tenant.id, by)
        changes.announce(tenant.id)
        Tenant.objects.filter(pk=tenant.pk).delete()
        receipt.save(force_insert=True)
        transaction.on_commit(partial(_tell, receipt))
    return receipt


def _receipt(tenant: Tenant, impact: dict[str, Any], by: Actor) -> DeletionReceipt:
    """Counts and fingerprints: what was named by the tenant's people goes with them."""
    return DeletionReceipt(
        tenant_id=tenant.pk,
        slug=tenant.slug,
        actor_kind=by.kind,
        actor_id=by.id,
        actor_label=by.label[:254],
        erased={name: len(found) if isinstance(found, list) else found for name, found in impact.items()},
        data_keys=data_keys.fingerprints(tenant.pk),
    )


def _tell(receipt: DeletionReceipt) -> None:
    data_keys.forget(receipt.tenant_id)
    log.warning(
        "tenant_deleted",
        tenant=receipt.slug,
        tenant_id=str(receipt.tenant_id),
        by=f"{receipt.actor_kind} {receipt.actor_id}",
        receipt=str(receipt.pk),
        data_keys=[f"{key['version']}:{key['fingerprint']}" for key in receipt.data_keys],
    )


def _nothing(tenant_id: UUID, by: Actor) -> None:
    """Members and keys go with the tenant's row."""


register(Step("members", lambda id: Membership.objects.for_tenant(id).count(), _nothing, is_dependent=False))
register(Step("api_keys", lambda id: ApiKey.objects.for_tenant(id).count(), _nothing, is_dependent=False))
