"""The audit log: who did what to which object, written in the transaction of the change itself.

Each tenant's events form a chain (`tenants.audit_chain`). Adding one locks the tenant's head row until the commit, so
a verb records after it has locked what it changes: the head is everybody's last lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from tenants import audit_chain
from tenants.actors import Actor
from tenants.models import AuditEvent, AuditHead, Tenant
from tenants.request_id import current_request_id

ADOPTED_AT_ONCE = 500


def record(
    *,
    tenant: Tenant | UUID,
    by: Actor,
    action: str,
    object_type: str,
    object_id: UUID | None,
    label: str,
    detail: dict[str, Any] | None = None,
) -> AuditEvent:
    """Write one event inside the caller's transaction, so that neither stands without the other.

    `action` is `object.past_tense` (`provider.created`). `detail` names what changed; never a secret's value.
    """
    tenant_id = tenant if isinstance(tenant, UUID) else tenant.pk
    with transaction.atomic(savepoint=False):
        head = locked_head(tenant_id)
        event = AuditEvent(
            tenant_id=tenant_id,
            actor_kind=by.kind,
            actor_id=by.id,
            actor_label=by.label[:254],
            action=action,
            object_type=object_type,
            object_id=object_id,
            object_label=label[:255],
            detail=detail or {},
            request_id=current_request_id(),
        )
        audit_chain.append(head, event)
        event.save(force_insert=True)
        head.save(update_fields=audit_chain.HEAD_FIELDS)
    return event


def adopt(tenant_id: UUID) -> int:
    """Take the events that stand outside the chain into it, at its end: how many there were.

    Such events come from a process of an earlier release that ran on while this one was being installed.
    """
    adopted = 0
    while batch := _adopt_some(tenant_id):
        adopted += len(batch)
    return adopted


def outside_the_chain(tenant_id: UUID) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.for_tenant(tenant_id).filter(seq=None).order_by("id")


def locked_head(tenant_id: UUID) -> AuditHead:
    """The head of the tenant's chain, which nobody else moves before the end of the transaction."""
    heads = AuditHead.objects.for_tenant(tenant_id)
    head: AuditHead | None = heads.select_for_update().first()
    if head is not None:
        return head
    head = AuditHead(tenant_id=tenant_id)
    audit_chain.start(head)
    try:
        with transaction.atomic():
            head.save(force_insert=True)
    except IntegrityError:  # another one was first
        head = heads.select_for_update().get()
    return head


def _adopt_some(tenant_id: UUID) -> Sequence[AuditEvent]:
    with transaction.atomic():
        head = locked_head(tenant_id)
        events = list(outside_the_chain(tenant_id)[:ADOPTED_AT_ONCE])
        audit_chain.append(head, *events)
        AuditEvent.objects.for_tenant(tenant_id).bulk_update(events, audit_chain.EVENT_FIELDS, batch_size=100)
        head.save(update_fields=audit_chain.HEAD_FIELDS)
    return events
