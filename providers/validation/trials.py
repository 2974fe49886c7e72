"""Trying one model: what the server says it can do, a small real call, and whether it is still the model it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from providers.errors import Malformed, ProviderError, TimedOut, UnknownModel, WrongModelType
from providers.kinds.base import FoundModel, Kind, ProbeResult
from providers.upstream.client import UpstreamClient
from providers.upstream.target import Target


class ToProbe(NamedTuple):
    """A model to try, by its name at the server. With `dimensions`, vectors of another length are a failure.

    `settings` are the entry's: deadlines of its own.
    """

    name: str
    type: str
    dimensions: int | None = None
    settings: Mapping[str, Any] = MappingProxyType({})


async def try_model(
    client: UpstreamClient, target: Target, kind: Kind, model: ToProbe, found: Sequence[FoundModel]
) -> ProbeResult:
    """What the model showed. Raises the ProviderError that says why it cannot be used as what it is entered as."""
    target = replace(target, timeouts=target.timeouts.with_own(model.settings))
    listed = next((line for line in found if line.upstream_name == model.name), None)
    if listed is not None and not kind.serves(listed, model.type):
        raise WrongModelType(evidence={"capabilities": list(listed.capabilities) or [listed.type]})
    try:
        result = await kind.probe(client, target, model.type, model.name)
    except ProviderError as fault:
        raise _sharpened(fault, model, listed, found) from fault
    if model.dimensions is not None and result.dimensions != model.dimensions:
        changed = {"expected": model.dimensions, "dimensions": result.dimensions}
        said = f"Its vectors have {result.dimensions} numbers; they had {model.dimensions}."
        raise Malformed("dimensions_changed", said, evidence=changed)
    return result


def _sharpened(
    fault: ProviderError, model: ToProbe, listed: FoundModel | None, found: Sequence[FoundModel]
) -> ProviderError:
    """The same fault in the light of what else is known."""
    if fault.code == "model_file_unusable" and listed is None and found:
        # LocalAI before v4.1 tries to load a file of any name it is given
        return UnknownModel(evidence=fault.evidence)
    if fault.code == "model_type_mismatch" and listed is not None and listed.capabilities:
        fault.evidence.setdefault("capabilities", list(listed.capabilities))
    if isinstance(fault, TimedOut) and fault.phase == "total":
        return TimedOut("idle", f"{model.name} began to answer and did not come to an end.", evidence=fault.evidence)
    return fault
