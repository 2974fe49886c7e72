"""Register, change, switch and remove a tenant's providers. No call leaves the process here: a worker validates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet

from providers import breakers, impact
from providers.credentials import after_new_values, current_credential, default_credential
from providers.forms import check_form, kind_named, normalised_url, refuse, settings_faults
from providers.invalidation import invalidate
from providers.jobs.cancellation import cancel
from providers.locks import locked
from providers.models import Credential, Provider, ValidationRun
from providers.names import checked_name, only_one_named
from providers.sealed_fields import Fields, field_faults, missing_for_new_origin, refuse_other_origin, write_fields
from providers.upstream.egress import origin_of
from providers.validation.runs import endpoint_changed, queue_run
from tenants import audit
from tenants.actors import Actor
from tenants.problems import FieldError

# A change of any other setting leaves what validation found as it is.
ENDPOINT_SETTINGS: Final = ("verify_tls", "extra_headers")


def register_provider(
    *,
    tenant_id: UUID,
    by: Actor,
    kind: str,
    name: str,
    base_url: str,
    credentials: Fields,
    settings: Mapping[str, Any],
) -> Provider:
    """Store a provider, `unverified`, with its secrets sealed and a validation of level `models` queued.

    Raises one Problem naming every field at fault, or `name_taken`. All of it is in one transaction.
    """
    name = checked_name(name)
    form = check_form(kind=kind, base_url=base_url, credentials=credentials, settings=settings)
    provider = Provider(tenant_id=tenant_id, kind=kind, name=name, base_url=form.base_url, settings=form.settings)
    with transaction.atomic():
        with only_one_named(_rows(tenant_id), name):
            provider.save(force_insert=True)
        write_fields(default_credential(provider), form.credentials, base_url=form.base_url)
        detail = {"kind": kind, "base_url": form.base_url, "fields": sorted(form.credentials)}
        _record(provider, by, "created", **detail)
        queue_run(provider, level=ValidationRun.Level.MODELS, by=by)
    return provider


def change_provider(provider: Provider, *, by: Actor, changes: Mapping[str, Any]) -> Provider:
    """Merge `changes` (`name`, `base_url`, `settings` and `credentials` key by key, `enabled`) into the provider.

    Another address, other secrets or other `ENDPOINT_SETTINGS` void what was known of it: it becomes `unverified`
    and a validation is queued. A move to another origin must bring every set secret anew. Raises Problem; then
    nothing has changed.
    """
    fields: Fields = changes.get("credentials", {})
    with locked(provider):
        credential = current_credential(provider)
        wanted = _checked(provider, credential, changes, fields)
        is_other_endpoint = _is_other_endpoint(provider, wanted)
        for name, value in wanted.items():
            setattr(provider, name, value)
        _save(provider, *wanted)
        changed = sorted(set(changes) - {"credentials"})
        _record(provider, by, "changed", changed=changed, fields=sorted(fields))
        if fields:
            credential = credential or default_credential(provider)
            write_fields(credential, fields, base_url=provider.base_url)
            after_new_values(_of(provider, credential), by=by)
        elif is_other_endpoint:
            endpoint_changed(provider, by=by)
        invalidate(provider.tenant_id)
    return provider


def set_enabled(provider: Provider, enabled: bool, *, by: Actor) -> Provider:
    """Switch dispatch to it on or off; its state stays what validation found."""
    with locked(provider):
        if provider.enabled == enabled:
            return provider
        provider.enabled = enabled
        _save(provider, "enabled")
        _record(provider, by, "enabled" if enabled else "disabled")
        invalidate(provider.tenant_id)
    return provider


def delete_provider(provider: Provider, *, by: Actor, cascade: bool = False) -> None:
    """Remove it with its credentials and history. What depends on it goes too with `cascade`, else is `in_use`.

    With `cascade` its models go, and the jobs that wait or run on it are cancelled.
    """
    with locked(provider):
        affected = impact_of(provider)
        if not cascade:
            impact.refuse_in_use(affected, f"Models or jobs depend on {provider.name}.")
        for job in impact.hold_of_provider(provider):
            cancel(job, by=by)
        _record(provider, by, "deleted", models=[model["name"] for model in affected["models"]])
        invalidate(provider.tenant_id)
        breakers.close(provider.id)
        provider.delete()


def impact_of(provider: Provider) -> dict[str, Any]:
    """What a delete would take along: `models`, `default_models`, `running_jobs`, `queued_jobs`."""
    return impact.of_provider(provider)


# --- Steps ---


def _checked(
    provider: Provider, credential: Credential | None, changes: Mapping[str, Any], fields: Fields
) -> dict[str, Any]:
    """The columns as they will be. Raises a Problem for whatever is wrong with the changes."""
    kind, faults = kind_named(provider.kind), list[FieldError]()
    wanted: dict[str, Any] = {name: changes[name] for name in ("enabled",) if name in changes}
    if "name" in changes:
        wanted["name"] = checked_name(changes["name"])
    if "base_url" in changes:
        wanted["base_url"] = normalised_url(kind, changes["base_url"], faults)
    if "settings" in changes:
        wanted["settings"] = {**provider.settings, **changes["settings"]}
        faults += settings_faults(kind, wanted["settings"])
    faults += field_faults(provider.kind, credential, fields, path="credentials") if fields else []
    refuse(faults)
    origin = origin_of(wanted.get("base_url", provider.base_url))
    refuse_other_origin(missing_for_new_origin(credential, fields, origin), path="credentials")
    return wanted


def _is_other_endpoint(provider: Provider, wanted: Mapping[str, Any]) -> bool:
    if wanted.get("base_url", provider.base_url) != provider.base_url:
        return True
    settings = wanted.get("settings", provider.settings)
    return any(settings.get(name) != provider.settings.get(name) for name in ENDPOINT_SETTINGS)


def _of(provider: Provider, credential: Credential) -> Credential:
    credential.provider = provider  # one instance, so that its version and state are not written twice
    return credential


def _save(provider: Provider, *fields: str) -> None:
    provider.version = F("version") + 1
    with only_one_named(_rows(provider.tenant_id), provider.name, besides=provider.id):
        provider.save(update_fields=[*fields, "version", "updated_at"])
    provider.refresh_from_db(fields=["version"])


def _rows(tenant_id: UUID) -> QuerySet[Provider]:
    return Provider.objects.for_tenant(tenant_id)


def _record(provider: Provider, by: Actor, action: str, **detail: Any) -> None:
    audit.record(
        tenant=provider.tenant_id,
        by=by,
        action=f"provider.{action}",
        object_type="provider",
        object_id=provider.id,
        label=provider.name,
        detail=detail,
    )
