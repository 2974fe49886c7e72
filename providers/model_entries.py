"""Model entries: what a tenant's callers may name as `model`, of which type, served by which provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet

from providers import breakers, impact
from providers.forms import refuse, schema_faults
from providers.invalidation import invalidate
from providers.jobs.cancellation import cancel
from providers.kinds.forms import model_settings_schema
from providers.models import DefaultModel, ModelEntry, ModelType, Provider, ValidationRun
from providers.names import MAX_MODEL_NAME_CHARS, model_name_fault, only_one_named
from providers.parameter_rules import parameter_faults
from providers.validation.runs import queue_run
from tenants import audit
from tenants.actors import Actor
from tenants.problems import FieldError

MODES: Final = ("chat", "completion")
FEATURE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
MAX_FEATURES: Final = 32
DECLARED: Final = "declared"  # by a person; the other source is "probed"
PROBED: Final = "probed"
OF_CAPABILITY: Final = ("type", "mode", "context_size", "max_output_tokens", "dimensions", "features")


# --- Verbs ---


def create_entry(provider: Provider, *, by: Actor, fields: Mapping[str, Any], source: str = DECLARED) -> ModelEntry:
    """Store an entry. `fields` hold at least `name` and `type`; `upstream_name` is the name where left out.

    Raises one Problem naming every field at fault, or `name_taken`.
    """
    entry = built_entry(provider, fields, source=source)
    refuse(entry_faults(entry))
    entry.settings = _without_nulls(entry.settings)
    with transaction.atomic():
        with only_one_named(_rows(entry.tenant_id), entry.name):
            entry.save(force_insert=True)
        _record(entry, by, "created", type=entry.type, provider=str(provider.id), upstream_name=entry.upstream_name)
        invalidate(entry.tenant_id)
    return entry


def change_entry(entry: ModelEntry, *, by: Actor, changes: Mapping[str, Any]) -> ModelEntry:
    """Set the fields that are there; `settings` merge key by key, `parameters` and `features` are replaced.

    Raises Problem; then nothing changed.
    """
    before = entry.type
    if "settings" in changes:
        changes = {**changes, "settings": {**entry.settings, **changes["settings"]}}
    for name, value in changes.items():
        setattr(entry, name, value)
    if entry.type != before:
        _settle_new_type(entry, changes)
    said = {name: DECLARED for name in OF_CAPABILITY if name in changes}
    entry.capability_source = {**entry.capability_source, **said}
    refuse(entry_faults(entry))
    entry.settings = _without_nulls(entry.settings)
    with transaction.atomic():
        if entry.type != before:
            _refuse_type_of_default(entry, before)
        with only_one_named(_rows(entry.tenant_id), entry.name, besides=entry.id):
            _save(entry, *changes, "mode", "dimensions", "capability_source")
        _record(entry, by, "changed", changed=sorted(changes))
    return entry


def set_entry_enabled(entry: ModelEntry, enabled: bool, *, by: Actor) -> ModelEntry:
    if entry.enabled != enabled:
        with transaction.atomic():
            entry.enabled = enabled
            _save(entry, "enabled")
            _record(entry, by, "enabled" if enabled else "disabled")
    return entry


def delete_entry(entry: ModelEntry, *, by: Actor, cascade: bool = False) -> None:
    """Remove it. Where it is a default, or jobs wait for it, only with `cascade`: else `in_use` with the impact."""
    with transaction.atomic():
        if not cascade:
            impact.refuse_in_use(impact.of_model(entry), f"Defaults or jobs depend on {entry.name}.")
        for job in impact.hold_of_model(entry):
            cancel(job, by=by)
        _record(entry, by, "deleted", type=entry.type, provider=str(entry.provider_id))
        invalidate(entry.tenant_id)
        breakers.close(entry.id)
        entry.delete()


def try_entry(entry: ModelEntry, *, by: Actor) -> ValidationRun:
    """Queue a run that makes one small real call to this model; its result becomes the entry's health."""
    return queue_run(entry.provider, level=ValidationRun.Level.INFER, by=by, models=[entry.name])


def default_models(tenant_id: UUID) -> dict[str, UUID | None]:
    """Every type with the tenant's default model of it, or None."""
    chosen = dict(DefaultModel.objects.for_tenant(tenant_id).values_list("type", "model_id"))
    return {model_type.value: chosen.get(model_type.value) for model_type in ModelType}


def set_default_models(*, tenant_id: UUID, by: Actor, changes: Mapping[str, UUID | None]) -> dict[str, UUID | None]:
    """Set or clear (None) the defaults of the named types, all or none. Raises Problem naming each type at fault."""
    entries = {entry.id: entry for entry in _rows(tenant_id).filter(id__in=[id for id in changes.values() if id])}
    refuse([fault for model_type, id in changes.items() for fault in _default_faults(model_type, id, entries)])
    with transaction.atomic():
        rows = DefaultModel.objects.for_tenant(tenant_id)
        rows.filter(type__in=[model_type for model_type, id in changes.items() if id is None]).delete()
        for model_type, id in changes.items():
            if id is not None:
                rows.update_or_create(tenant_id=tenant_id, type=model_type, defaults={"model_id": id})
        audit.record(
            tenant=tenant_id,
            by=by,
            action="default_models.changed",
            object_type="default_models",
            object_id=None,
            label="default models",
            detail={model_type: str(id) if id else None for model_type, id in changes.items()},
        )
        invalidate(tenant_id)
    return default_models(tenant_id)


# --- What an entry may be ---


def built_entry(provider: Provider, fields: Mapping[str, Any], *, source: str) -> ModelEntry:
    """An entry that is not saved yet, with what follows from its type filled in."""
    entry = ModelEntry(tenant_id=provider.tenant_id, provider=provider, **fields)
    entry.upstream_name = entry.upstream_name or entry.name
    if entry.type == ModelType.LLM and not entry.mode:
        entry.mode = "chat"
    said = {name: source for name in OF_CAPABILITY if fields.get(name)}
    entry.capability_source = {"type": source, **said}
    return entry


def entry_faults(entry: ModelEntry) -> list[FieldError]:
    """Everything that is wrong with the entry in itself."""
    faults = [fault for fault in (model_name_fault(entry.name), _upstream_name_fault(entry)) if fault]
    is_llm, is_embedding = entry.type == ModelType.LLM, entry.type == ModelType.TEXT_EMBEDDING
    if entry.mode is not None and not is_llm:
        faults.append(FieldError("mode", "invalid", "Only a model of type llm has a mode."))
    if entry.mode is not None and entry.mode not in MODES:
        faults.append(FieldError("mode", "invalid_choice", "It must be one of chat, completion."))
    if entry.dimensions is not None and not is_embedding:
        faults.append(FieldError("dimensions", "invalid", "Only a model of type text-embedding has dimensions."))
    if entry.max_output_tokens and entry.context_size and entry.max_output_tokens > entry.context_size:
        faults.append(FieldError("max_output_tokens", "max_value", "It cannot be more than context_size."))
    if len(entry.features) > MAX_FEATURES or len(set(entry.features)) < len(entry.features):
        faults.append(FieldError("features", "invalid", f"At most {MAX_FEATURES} features, each once."))
    if not all(FEATURE.fullmatch(feature) for feature in entry.features):
        faults.append(
            FieldError("features", "invalid", "A feature has 1 to 40 lower-case letters, digits and hyphens.")
        )
    faults += schema_faults(model_settings_schema(), entry.settings, "settings")
    return faults or parameter_faults(entry)


def _upstream_name_fault(entry: ModelEntry) -> FieldError | None:
    if 1 <= len(entry.upstream_name) <= MAX_MODEL_NAME_CHARS and entry.upstream_name.isprintable():
        return None
    if entry.upstream_name == entry.name:
        return None  # then the fault is told of the name
    return FieldError("upstream_name", "invalid", "It has 1 to 255 printable characters.")


def _without_nulls(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Null takes the provider's: nothing is kept for it."""
    return {name: value for name, value in settings.items() if value is not None}


def _settle_new_type(entry: ModelEntry, changes: Mapping[str, Any]) -> None:
    """What only the old type had goes, unless this very change sets it (and is then told that it does not fit)."""
    if "mode" not in changes:
        entry.mode = "chat" if entry.type == ModelType.LLM else None
    if "dimensions" not in changes:
        entry.dimensions = None


def _refuse_type_of_default(entry: ModelEntry, before: str) -> None:
    is_default = DefaultModel.objects.for_tenant(entry.tenant_id).filter(model_id=entry.id).exists()
    affected = {"default_models": [before] if is_default else []}
    impact.refuse_in_use(affected, f"It is the default of type {before}: choose another default first.")


def _default_faults(model_type: str, id: UUID | None, entries: Mapping[UUID, ModelEntry]) -> list[FieldError]:
    if id is None:
        return []
    entry = entries.get(id)
    if entry is None:
        return [FieldError(model_type, "does_not_exist", "There is no such model.")]
    if entry.type != model_type:
        return [FieldError(model_type, "model_type_mismatch", f"{entry.name} is of type {entry.type}.")]
    return []


def _save(entry: ModelEntry, *fields: str) -> None:
    entry.version = F("version") + 1
    entry.save(update_fields=[*fields, "version", "updated_at"])
    entry.refresh_from_db(fields=["version"])
    invalidate(entry.tenant_id)


def _rows(tenant_id: UUID) -> QuerySet[ModelEntry]:
    return ModelEntry.objects.for_tenant(tenant_id)


def _record(entry: ModelEntry, by: Actor, action: str, **detail: Any) -> None:
    audit.record(
        tenant=entry.tenant_id,
        by=by,
        action=f"model.{action}",
        object_type="model",
        object_id=entry.id,
        label=entry.name,
        detail=detail,
    )
