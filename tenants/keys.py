"""Make, change and revoke API keys. The key itself leaves here once, when it is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from tenants import audit, changes, tokens
from tenants.actors import Actor
from tenants.key_limits import Limits
from tenants.models import ApiKey, User
from tenants.permissions import SCOPES, in_order

OVERLAP_MAX_SECONDS = 7 * 24 * 3600


def create_key(
    *,
    tenant_id: UUID,
    name: str,
    limits: Limits,
    by: Actor,
    creator: User | None,
    acts_as_owner: bool = False,
) -> tuple[ApiKey, str]:
    """A new key and its text, which is stored nowhere. Its rights follow `creator`'s role unless it acts as owner."""
    minted = tokens.mint()
    api_key = ApiKey(
        tenant_id=tenant_id,
        name=name,
        key_id=minted.key_id,
        digest=minted.digest,
        pepper_id=minted.pepper_id,
        last4=minted.last4,
        created_by=creator,
        acts_as_owner=acts_as_owner,
        **_columns(limits),
    )
    with transaction.atomic():
        api_key.save(force_insert=True)
        _record(api_key, "api_key.created", by, {"scopes": api_key.scopes})
    return api_key, minted.key


def create_owner_key(*, tenant_id: UUID, name: str, by: Actor) -> tuple[ApiKey, str]:
    """The operator's key of a new tenant: every scope, the owner's role, no expiry."""
    limits = Limits(frozenset(SCOPES))
    return create_key(tenant_id=tenant_id, name=name, limits=limits, by=by, creator=None, acts_as_owner=True)


def change_key(api_key: ApiKey, *, name: str, limits: Limits, by: Actor) -> ApiKey:
    """Rename a key or move its limits; the audit event names the fields that changed."""
    wanted: dict[str, Any] = {"name": name, **_columns(limits)}
    changed = sorted(column for column, value in wanted.items() if getattr(api_key, column) != value)
    if not changed:
        return api_key
    with transaction.atomic():
        for column in changed:
            setattr(api_key, column, wanted[column])
        api_key.version = F("version") + 1
        api_key.save(update_fields=[*changed, "version", "updated_at"])
        _record(api_key, "api_key.changed", by, {"fields": changed})
    api_key.refresh_from_db(fields=["version"])
    return api_key


def rotate_key(api_key: ApiKey, *, overlap_seconds: int, by: Actor) -> str:
    """Give the key a new secret and return it; the one before works until the overlap ends, any older one no more."""
    minted = tokens.mint(api_key.key_id)
    with transaction.atomic():
        if overlap_seconds:
            api_key.former_digest, api_key.former_pepper_id = api_key.digest, api_key.pepper_id
            api_key.former_until = timezone.now() + timedelta(seconds=overlap_seconds)
        else:
            api_key.former_digest = api_key.former_pepper_id = api_key.former_until = None
        api_key.digest, api_key.pepper_id, api_key.last4 = minted.digest, minted.pepper_id, minted.last4
        api_key.version = F("version") + 1
        api_key.save(update_fields=[*_SECRET, "version", "updated_at"])
        _record(api_key, "api_key.rotated", by, {"overlap_seconds": overlap_seconds})
    api_key.refresh_from_db(fields=["version"])
    return minted.key


def revoke_key(api_key: ApiKey, *, by: Actor) -> None:
    """From the commit on the key opens nothing. Revoking twice changes nothing."""
    with transaction.atomic():
        live = ApiKey.objects.for_tenant(api_key.tenant_id).filter(pk=api_key.pk, revoked_at__isnull=True)
        if live.update(revoked_at=timezone.now()):
            _record(api_key, "api_key.revoked", by, {})


_SECRET = ("digest", "pepper_id", "last4", "former_digest", "former_pepper_id", "former_until")


def _columns(limits: Limits) -> dict[str, Any]:
    return {
        "scopes": in_order(limits.scopes),
        "allowed_models": None if limits.allowed_models is None else sorted(limits.allowed_models),
        "allowed_cidrs": None if limits.allowed_cidrs is None else list(limits.allowed_cidrs),
        "expires_at": limits.expires_at,
        **limits.rate_limits.as_dict(),
    }


def _record(api_key: ApiKey, action: str, by: Actor, detail: dict[str, Any]) -> None:
    audit.record(
        tenant=api_key.tenant_id,
        by=by,
        action=action,
        object_type="api_key",
        object_id=api_key.id,
        label=api_key.name,
        detail=detail,
    )
    changes.announce(api_key.tenant_id)
