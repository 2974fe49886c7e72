"""What real calls have shown of each model entry: kept on the entry, for lists that call nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.utils import timezone

from providers.kinds.facts import ProbeResult
from providers.models import ModelEntry, ModelType, Provider
from providers.untrusted import count

HEALTH_STATES: Final = ("unknown", "healthy", "loading", "failing")
KEPT_CALLS: Final = 9  # an odd number has one in its middle
DECLARED: Final = "declared"
PROBED: Final = "probed"


def note_findings(provider: Provider, steps: Sequence[Mapping[str, Any]], probed: Sequence[ProbeResult]) -> None:
    """Write the outcome of each `infer` step to the entries that serve its model. In the caller's transaction."""
    tried = {_tried(step): step for step in steps if step["step"] == "infer" and _tried(step)}
    facts = {(result.upstream_name, result.type): result for result in probed}
    rows = ModelEntry.objects.for_tenant(provider.tenant_id).filter(provider_id=provider.id)
    for entry in rows.filter(upstream_name__in=tried):
        entry.health = _health(entry.health, tried[entry.upstream_name])
        learnt = facts.get((entry.upstream_name, entry.type))
        if learnt is not None:
            _learn(entry, learnt)
        entry.save(update_fields=["health", "mode", "dimensions", "capability_source"])


def well(provider: Provider, steps: Sequence[Mapping[str, Any]]) -> list[UUID]:
    """The entries whose model has just answered."""
    names = [_tried(step) for step in steps if step["step"] == "infer" and step["ok"]]
    rows = ModelEntry.objects.for_tenant(provider.tenant_id).filter(provider_id=provider.id, upstream_name__in=names)
    return list(rows.values_list("id", flat=True))


def _tried(step: Mapping[str, Any]) -> str:
    return str(step.get("evidence", {}).get("model", ""))


def _health(before: Mapping[str, Any], step: Mapping[str, Any]) -> dict[str, Any]:
    recent_ms = list(before.get("recent_ms", []))
    if step["ok"]:
        recent_ms = [*recent_ms, step["elapsed_ms"]][-KEPT_CALLS:]
    state = "healthy" if step["ok"] else "loading" if step["code"] == "model_loading" else "failing"
    code = None if step["ok"] else step["code"]
    return {"state": state, "code": code, "recent_ms": recent_ms, "checked_at": timezone.now().isoformat()}


def _learn(entry: ModelEntry, result: ProbeResult) -> None:
    """Take over what the call showed and nobody has declared. The length of vectors, once known, is compared."""
    said = dict(entry.capability_source)
    if entry.type == ModelType.TEXT_EMBEDDING and entry.dimensions is None and count(result.dimensions):
        entry.dimensions, said["dimensions"] = result.dimensions, PROBED
    if entry.type == ModelType.LLM and result.mode and said.get("mode") != DECLARED:
        entry.mode, said["mode"] = result.mode, PROBED
    entry.capability_source = said
