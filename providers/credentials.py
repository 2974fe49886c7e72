"""Named credentials of a provider: one of them active, rotated without an outage, wiped when revoked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.db.models import F, QuerySet
from django.utils import timezone

from providers import impact
from providers.forms import refuse
from providers.invalidation import invalidate
from providers.locks import locked
from providers.models import Credential, Provider, ValidationRun
from providers.names import checked_name, only_one_named
from providers.sealed_fields import (
    Fields,
    field_faults,
    fields_set,
    missing_for_new_origin,
    refuse_other_origin,
    wipe_fields,
    write_fields,
)
from providers.upstream.egress import origin_of
from providers.validation.runs import endpoint_changed, queue_run
from tenants import audit
from tenants.actors import SYSTEM, Actor
from tenants.problems import FieldError, Problem

DEFAULT_GRACE_SECONDS: Final = 3600
MAX_GRACE_SECONDS: Final = 30 * 24 * 3600
OF_THE_CREDENTIAL: Final = ("auth_failed", "permission_denied")
CURRENT: Final = (Credential.State.ACTIVE, Credential.State.UNDECRYPTABLE)

log = structlog.get_logger(__name__)


def current_credential(provider: Provider) -> Credential | None:
    """The one that calls are made with: active, or active until it was found not to open."""
    return credentials_of(provider).filter(state__in=CURRENT).order_by("state").first()


def default_credential(provider: Provider) -> Credential:
    """The current credential; made, empty, as `default` where there is none. Inside the caller's transaction."""
    return current_credential(provider) or _new(provider, _free_name(provider, "default"), Credential.State.ACTIVE)


def credentials_of(provider: Provider) -> QuerySet[Credential]:
    return Credential.objects.for_tenant(provider.tenant_id).filter(provider_id=provider.id)


# --- Verbs ---


def create_credential(
    provider: Provider, *, by: Actor, name: str, fields: Fields, expires_at: datetime | None = None
) -> Credential:
    """Store a further set of values. It is staged: nothing uses it before `activate`, unless the provider has none."""
    name = checked_name(name)
    refuse(field_faults(provider.kind, None, fields, path="fields"))
    with locked(provider):
        is_first = current_credential(provider) is None
        state = Credential.State.ACTIVE if is_first else Credential.State.STAGED
        with only_one_named(credentials_of(provider), name):
            credential = _new(provider, name, state, expires_at=expires_at)
        write_fields(credential, fields, base_url=provider.base_url)
        _record(credential, by, "created", fields=sorted(fields))
        if is_first:
            endpoint_changed(provider, by=by)
    return credential


def change_credential(credential: Credential, *, by: Actor, changes: Mapping[str, Any]) -> Credential:
    """Merge `fields` (absent = keep, None = clear, text = replace), set `name` and `expires_at`."""
    provider, fields = credential.provider, changes.get("fields", {})
    with _held(credential):
        if credential.state == Credential.State.REVOKED:
            raise Problem("conflict", "A revoked credential holds no values and takes none.")
        refuse(field_faults(provider.kind, credential, fields, path="fields"))
        credential.name = checked_name(changes.get("name", credential.name))
        credential.expires_at = changes.get("expires_at", credential.expires_at)
        with only_one_named(credentials_of(provider), credential.name, besides=credential.id):
            _save(credential, "name", "expires_at")
        write_fields(credential, fields, base_url=provider.base_url)
        _record(credential, by, "changed", fields=sorted(fields), changed=sorted(set(changes) - {"fields"}))
        if fields:
            after_new_values(credential, by=by)
    return credential


def after_new_values(credential: Credential, *, by: Actor) -> None:
    """The current credential got other values: what was known of the provider is void. In the caller's transaction."""
    if credential.state == Credential.State.UNDECRYPTABLE:
        credential.state, credential.last_error = Credential.State.ACTIVE, None
        _save(credential, "state", "last_error")
    if credential.state == Credential.State.ACTIVE:
        endpoint_changed(credential.provider, by=by)


def activate(credential: Credential, *, by: Actor) -> Credential:
    """Make this the one that calls use; the former one is staged. Raises Problem where it cannot be used."""
    provider = credential.provider
    with _held(credential):
        if credential.state == Credential.State.REVOKED:
            raise Problem("conflict", "A revoked credential holds no values. Rotate the active one, or create another.")
        refuse_other_origin(missing_for_new_origin(credential, {}, origin_of(provider.base_url)), path="fields")
        if credential.state == Credential.State.ACTIVE:
            return credential
        credentials_of(provider).filter(state__in=CURRENT).update(state=Credential.State.STAGED)
        _move(credential, Credential.State.ACTIVE)
        _record(credential, by, "activated")
        endpoint_changed(provider, by=by)
    return credential


def rotate(credential: Credential, *, by: Actor, fields: Fields, grace_seconds: int | None = None) -> ValidationRun:
    """Stage new values, validate them, promote them if they pass; the old ones stay for the grace.

    Returns the run that decides; its `credential` is the staged one. Each field that is set must be brought anew: a
    sealed value cannot be copied without opening it.
    """
    provider = credential.provider
    grace = DEFAULT_GRACE_SECONDS if grace_seconds is None else grace_seconds
    with _held(credential):
        if credential.state not in CURRENT:
            raise Problem("conflict", "Only the active credential is rotated.")
        refuse(_rotation_faults(credential, fields))
        name = _free_name(provider, credential.name)
        staged = _new(provider, name, Credential.State.STAGED, grace_seconds=grace)
        write_fields(staged, fields, base_url=provider.base_url)
        _record(credential, by, "rotation_started", staged=str(staged.id), grace_seconds=grace)
        return queue_run(provider, level=ValidationRun.Level.MODELS, by=by, credential=staged)


def revoke(credential: Credential, *, by: Actor) -> Credential:
    """Wipe its values at once, whatever uses it. Calls in flight keep what they were sent with."""
    with _held(credential):
        was_current = credential.state in CURRENT
        wipe_fields(credential)
        _move(credential, Credential.State.REVOKED)
        _record(credential, by, "revoked")
        if was_current:
            endpoint_changed(credential.provider, by=by)
    return credential


def delete_credential(credential: Credential, *, by: Actor, cascade: bool = False) -> None:
    """Remove it with its values. The active one only with `cascade`: the Problem's `impact` says what uses it."""
    provider = credential.provider
    with _held(credential):
        is_current = credential.state in CURRENT
        if is_current and not cascade:
            raise Problem("in_use", "This credential is the active one.", extra={"impact": impact_of(credential)})
        _record(credential, by, "deleted")
        credential.delete()
        if is_current:
            endpoint_changed(provider, by=by)


def impact_of(credential: Credential) -> dict[str, Any]:
    """What would be called without a credential if this one went."""
    if credential.state not in CURRENT:
        return {"models": [], "running_jobs": 0, "queued_jobs": 0}
    whole = impact.of_provider(credential.provider)
    return {name: whole[name] for name in ("models", "running_jobs", "queued_jobs")}


# --- What runs and the sweep decide ---


def promote(staged: Credential) -> None:
    """The end of a rotation whose run passed. In the caller's transaction."""
    until = timezone.now() + timedelta(seconds=staged.grace_seconds or 0)
    credentials_of(staged.provider).filter(state__in=CURRENT).update(state=Credential.State.GRACE, grace_until=until)
    _move(staged, Credential.State.ACTIVE)
    _record(staged, SYSTEM, "promoted")
    invalidate(staged.tenant_id)


def mark_tried(credential: Credential, *, error: str | None, is_staged: bool) -> None:
    """A run has opened and sent it; `error` is the code it ended with. In the caller's transaction."""
    credential.last_used_at = timezone.now()
    if error is None or is_staged or error in OF_THE_CREDENTIAL:
        credential.last_error = error
    if credential.state == Credential.State.UNDECRYPTABLE:
        credential.state = Credential.State.ACTIVE
    credential.save(update_fields=["last_used_at", "last_error", "state"])


def mark_undecryptable(tenant_id: UUID, credential_id: UUID) -> None:
    """It does not open. In the caller's transaction."""
    rows = Credential.objects.for_tenant(tenant_id).filter(id=credential_id).exclude(state=Credential.State.REVOKED)
    rows.update(state=Credential.State.UNDECRYPTABLE, last_error="undecryptable")


def note_unreadable(provider: Provider, credential: Credential) -> None:
    """A call found that it does not open: say so before any validation does. In the caller's transaction."""
    mark_undecryptable(credential.tenant_id, credential.id)
    if credential.state in CURRENT:
        rows = Provider.objects.for_tenant(provider.tenant_id).filter(id=provider.id)
        rows.exclude(state=Provider.State.UNDECRYPTABLE).update(
            state=Provider.State.UNDECRYPTABLE, state_reason="undecryptable", state_since=timezone.now()
        )
    log.error("credential_undecryptable", provider=str(provider.id), credential=str(credential.id))


def end_graces(now: datetime | None = None) -> int:
    """Wipe what rotations kept, once its grace is over. Returns how many."""
    graces = Credential.unscoped.filter(state=Credential.State.GRACE, grace_until__lte=now or timezone.now())
    over = list(graces.select_related("provider")[:500])
    for credential in over:
        with _held(credential):
            if credential.state != Credential.State.GRACE:
                continue  # somebody activated it again in this moment
            wipe_fields(credential)
            _move(credential, Credential.State.REVOKED)
            _record(credential, SYSTEM, "grace_ended")
    return len(over)


# --- Steps that verbs share ---


@contextmanager
def _held(credential: Credential) -> Iterator[None]:
    """Under its provider's lock, with the credential as it is now."""
    with locked(credential.provider):
        try:
            credential.refresh_from_db(fields=["name", "state", "expires_at", "version"])
        except Credential.DoesNotExist:
            raise Problem("not_found") from None
        yield


def _rotation_faults(credential: Credential, fields: Fields) -> list[FieldError]:
    kept = sorted(fields_set(credential) - set(fields))
    faults = [FieldError(f"fields.{name}", "required", "Send its new value, or null to leave it out.") for name in kept]
    return faults + field_faults(credential.provider.kind, None, fields, path="fields")


def _new(provider: Provider, name: str, state: Credential.State, **facts: Any) -> Credential:
    credential = Credential(tenant_id=provider.tenant_id, provider=provider, name=name, state=state, **facts)
    credential.save(force_insert=True)
    return credential


def _move(credential: Credential, state: Credential.State) -> None:
    credential.state, credential.grace_until, credential.grace_seconds = state, None, None
    _save(credential, "state", "grace_until", "grace_seconds")


def _save(credential: Credential, *fields: str) -> None:
    credential.version = F("version") + 1
    credential.save(update_fields=[*fields, "version", "updated_at"])
    credential.refresh_from_db(fields=["version"])


def _free_name(provider: Provider, name: str) -> str:
    """`name`, or its stem with the first number that is free: `default`, `default-2`, `default-3`."""
    taken = set(credentials_of(provider).values_list("name", flat=True))
    stem = name.rstrip("0123456789").removesuffix("-")[:90] or "credential"
    numbered = (f"{stem}-{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(candidate for candidate in numbered if candidate not in taken)


def _record(credential: Credential, by: Actor, action: str, **detail: Any) -> None:
    audit.record(
        tenant=credential.tenant_id,
        by=by,
        action=f"credential.{action}",
        object_type="credential",
        object_id=credential.id,
        label=credential.name,
        detail={"provider": str(credential.provider_id), **detail},
    )
