"""Turn what the last discovery found into model entries. Calls nothing: it reads the stored result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction

from providers.discovery import last_result
from providers.invalidation import invalidate
from providers.model_entries import DECLARED, FEATURE, MAX_FEATURES, PROBED, built_entry, entry_faults
from providers.models import Discovery, ModelEntry, ModelType, Provider
from providers.names import model_name_fault
from providers.untrusted import count
from tenants import audit
from tenants.actors import Actor
from tenants.problems import Problem


@dataclass(frozen=True, slots=True)
class Wanted:
    """A found model to be imported, maybe under a name and as a type of the caller's choice."""

    upstream_name: str
    name: str | None = None
    type: str | None = None


@dataclass(slots=True)
class Import:
    """What was (or, with `dry_run`, would be) created, and why the rest was not."""

    dry_run: bool
    created: list[ModelEntry] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)  # upstream name, code


def import_models(provider: Provider, *, by: Actor, models: Sequence[Wanted] | None, dry_run: bool = False) -> Import:
    """Import the wanted models, or all that were found (None). One that cannot be is skipped with its code:

    `model_not_found` (not in the result), `already_imported`, `name_taken`, `name_invalid`, `type_unknown` (the server
    did not tell: say it in `models`), `model_invalid`. Raises Problem `discovery_missing` where nothing was listed yet.
    """
    result = last_result(provider)
    if result is None:
        raise Problem("discovery_missing")
    done = Import(dry_run)
    with transaction.atomic():
        _plan(provider, result, models, done)
        if not dry_run and done.created:
            _save(provider, done.created, by=by)
    return done


def _plan(provider: Provider, result: Discovery, models: Sequence[Wanted] | None, done: Import) -> None:
    found = {row["upstream_name"]: row for row in result.found}
    rows = ModelEntry.objects.for_tenant(provider.tenant_id)
    names = set(rows.values_list("name", flat=True))
    imported = set(rows.filter(provider_id=provider.id).values_list("upstream_name", flat=True))
    for wanted in models if models is not None else [Wanted(name) for name in found]:
        row = found.get(wanted.upstream_name)
        entry = _entry(provider, wanted, row) if row else None
        code = _why_not(wanted, entry, names=names, imported=imported)
        if code is None and entry is not None:
            done.created.append(entry)
            names.add(entry.name)
            imported.add(entry.upstream_name)
        else:
            done.skipped.append((wanted.upstream_name, code or "model_not_found"))


def _entry(provider: Provider, wanted: Wanted, row: Mapping[str, Any]) -> ModelEntry:
    """What the server told, under the wanted name and type; the server's word on the type is `probed`."""
    model_type = wanted.type or row.get("type") or ""
    features = [feature for feature in row.get("features") or [] if FEATURE.fullmatch(feature)]
    fields = {
        "name": wanted.name or wanted.upstream_name,
        "type": model_type,
        "upstream_name": wanted.upstream_name,
        "context_size": count(row.get("context_size")),
        "features": list(dict.fromkeys(features))[:MAX_FEATURES],
        "mode": row.get("mode") if model_type == ModelType.LLM else None,
        "dimensions": count(row.get("dimensions")) if model_type == ModelType.TEXT_EMBEDDING else None,
    }
    entry = built_entry(provider, fields, source=PROBED)
    if wanted.type and wanted.type != row.get("type"):
        entry.capability_source["type"] = DECLARED
    return entry


def _why_not(wanted: Wanted, entry: ModelEntry | None, *, names: set[str], imported: set[str]) -> str | None:
    if entry is None:
        return "model_not_found"
    if wanted.upstream_name in imported and wanted.name is None:
        return "already_imported"
    if not entry.type:
        return "type_unknown"
    if model_name_fault(entry.name) is not None:
        return "name_invalid"
    if entry.name in names:
        return "name_taken"
    return "model_invalid" if entry_faults(entry) else None


def _save(provider: Provider, entries: Sequence[ModelEntry], *, by: Actor) -> None:
    try:
        with transaction.atomic():
            ModelEntry.objects.for_tenant(provider.tenant_id).bulk_create(entries, batch_size=200)
    except IntegrityError:
        raise Problem("conflict", "Another request took one of these names just now. Import again.") from None
    audit.record(
        tenant=provider.tenant_id,
        by=by,
        action="models.imported",
        object_type="provider",
        object_id=provider.id,
        label=provider.name,
        detail={"models": [entry.name for entry in entries]},
    )
    invalidate(provider.tenant_id)
