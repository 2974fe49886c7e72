"""A person's account, as far as it touches tenants: switched off and on again by an operator."""

from __future__ import annotations

from django.db import transaction

from tenants import audit, changes
from tenants.actors import Actor
from tenants.models import User


def set_active(user: User, active: bool, *, by: Actor) -> User:
    """Without an active account a person is let in nowhere, and the keys they made lose their rights at once.

    Each tenant they belong to finds it in its audit log.
    """
    if user.is_active == active:
        return user
    with transaction.atomic():
        user.is_active = active
        user.save(update_fields=["is_active"])
        for tenant_id in user.memberships.order_by("tenant_id").values_list("tenant_id", flat=True):
            audit.record(
                tenant=tenant_id,
                by=by,
                action="person.activated" if active else "person.deactivated",
                object_type="person",
                object_id=user.id,
                label=user.email,
            )
            changes.announce(tenant_id)
    return user
