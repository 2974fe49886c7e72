"""Found a tenant, rename it, suspend it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from tenants import audit
from tenants.actors import Actor
from tenants.changes import announce
from tenants.members import add_member
from tenants.models import Tenant, User
from tenants.permissions import OWNER
from tenants.problems import Problem
from tenants.rate_limits import RateLimits


def create_tenant(
    slug: str, name: str = "", owner_email: str | None = None, *, by: Actor, owner: User | None = None
) -> Tenant:
    """A tenant with an owner, if one is named. An email without an account gets one, to be opened by password reset.

    Raises Problem `slug_taken`.
    """
    with transaction.atomic():
        tenant = _insert(Tenant(slug=slug, name=name or slug))
        _record(tenant, "tenant.created", by, {})
        person = owner or (_account(owner_email) if owner_email else None)
        if person is not None:
            add_member(tenant.id, person, role=OWNER, by=by)
    return tenant


def may_create_tenants(user: User) -> bool:
    return user.is_staff or settings.TENANT_CREATION == "anyone"


def change_tenant(tenant: Tenant, *, by: Actor, changes: Mapping[str, Any]) -> Tenant:
    """`changes` may hold `name`; the slug is in every client's addresses and stays."""
    return _change(tenant, "tenant.changed", by, {"name": changes.get("name", tenant.name)})


def limit_tenant(tenant: Tenant, limits: RateLimits, *, by: Actor) -> Tenant:
    """Bound what all of a tenant's keys and people together may ask for. Counts within a second, in every process."""
    return _change(tenant, "tenant.limited", by, limits.as_dict())


def set_share(tenant: Tenant, *, by: Actor, changes: Mapping[str, Any]) -> Tenant:
    """`changes` may hold `weight` and `max_in_flight`: what the tenant gets where several wait. An operator's word."""
    columns = {name: changes.get(name, getattr(tenant, name)) for name in ("weight", "max_in_flight")}
    return _change(tenant, "tenant.share_changed", by, columns)


def suspend_tenant(tenant: Tenant, *, by: Actor) -> Tenant:
    """Keys and members of a suspended tenant get 403 `tenant_suspended` on both planes; nothing is deleted."""
    return _change(tenant, "tenant.suspended", by, {"state": Tenant.State.SUSPENDED})


def resume_tenant(tenant: Tenant, *, by: Actor) -> Tenant:
    return _change(tenant, "tenant.resumed", by, {"state": Tenant.State.ACTIVE})


def _change(tenant: Tenant, action: str, by: Actor, columns: Mapping[str, Any]) -> Tenant:
    changed = sorted(column for column, value in columns.items() if getattr(tenant, column) != value)
    if not changed:
        return tenant
    with transaction.atomic():
        for column in changed:
            setattr(tenant, column, columns[column])
        tenant.version = F("version") + 1
        tenant.save(update_fields=[*changed, "version", "updated_at"])
        _record(tenant, action, by, {"fields": changed})
        announce(tenant.id)
    tenant.refresh_from_db(fields=["version"])
    return tenant


def _insert(tenant: Tenant) -> Tenant:
    try:
        with transaction.atomic():
            tenant.save(force_insert=True)
    except IntegrityError:
        raise Problem("slug_taken") from None
    return tenant


def _account(email: str) -> User:
    known = User.objects.filter(email__iexact=email).first()
    return known or User.objects.create_user(email)


def _record(tenant: Tenant, action: str, by: Actor, detail: dict[str, Any]) -> None:
    audit.record(
        tenant=tenant,
        by=by,
        action=action,
        object_type="tenant",
        object_id=tenant.id,
        label=tenant.slug,
        detail=detail,
    )
