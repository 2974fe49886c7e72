"""JSON facts as a line for the eye: "kind: localai · addresses: 10.0.0.7, 10.0.0.8"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def readable(facts: Mapping[str, Any], *, max_chars: int) -> str:
    """The facts that hold something, cut with an ellipsis after `max_chars`."""
    said = [(name, value) for name, value in facts.items() if value not in (None, "", [], {})]
    text = " · ".join(f"{name.replace('_', ' ')}: {_value(value)}" for name, value in said)
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_value(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(item)}" for name, item in value.items())
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
