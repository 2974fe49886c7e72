"""Who belongs to a tenant, and as what. A tenant never loses its last owner."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from tenants import audit, changes
from tenants.actors import Actor
from tenants.models import Membership, Tenant, User
from tenants.permissions import OWNER
from tenants.problems import Problem


def add_member(tenant_id: UUID, user: User, *, role: str, by: Actor) -> Membership:
    """Raises Problem `already_member` when the person has a membership, whatever its role."""
    with transaction.atomic():
        lock_members(tenant_id)
        if Membership.objects.for_tenant(tenant_id).filter(user=user).exists():
            raise Problem("already_member")
        membership = Membership(tenant_id=tenant_id, user=user, role=role)
        membership.save(force_insert=True)
        _record(membership, "member.added", by, {"role": role})
    return membership


def change_role(membership: Membership, *, role: str, by: Actor) -> Membership:
    """Raises Problem `last_owner` rather than leave the tenant without one."""
    if membership.role == role:
        return membership
    with transaction.atomic():
        lock_members(membership.tenant_id)
        refuse_losing_last_owner(membership)
        former, membership.role = membership.role, role
        membership.version = F("version") + 1
        membership.save(update_fields=["role", "version", "updated_at"])
        _record(membership, "member.role_changed", by, {"from": former, "to": role})
    membership.refresh_from_db(fields=["version"])
    return membership


def remove_member(membership: Membership, *, by: Actor) -> None:
    """The person's keys stay, without any right. Raises Problem `last_owner`."""
    with transaction.atomic():
        lock_members(membership.tenant_id)
        refuse_losing_last_owner(membership)
        _record(membership, "member.removed", by, {"role": membership.role})
        membership.delete()


def has_owner(tenant_id: UUID) -> bool:
    return Membership.objects.for_tenant(tenant_id).filter(role=OWNER).exists()


def lock_members(tenant_id: UUID) -> None:
    """One change of a tenant's members at a time: two owners who demote each other must not both succeed."""
    Tenant.objects.select_for_update(no_key=True).filter(pk=tenant_id).first()  # others may go on pointing at it


def refuse_losing_last_owner(membership: Membership) -> None:
    others = Membership.objects.for_tenant(membership.tenant_id).exclude(pk=membership.pk)
    if membership.role == OWNER and not others.filter(role=OWNER).exists():
        raise Problem("last_owner")


def _record(membership: Membership, action: str, by: Actor, detail: dict[str, Any]) -> None:
    audit.record(
        tenant=membership.tenant_id,
        by=by,
        action=action,
        object_type="member",
        object_id=membership.id,
        label=membership.user.email,
        detail=detail,
    )
    changes.announce(membership.tenant_id)
