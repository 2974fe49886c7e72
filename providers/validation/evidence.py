"""What is stored of a validation: facts without the secrets that were sent, and cut short."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from providers.upstream.calls import secrets_in
from providers.upstream.redaction import Redactor
from providers.upstream.target import Target

MAX_TEXT_CHARS: Final = 500


class Evidence:
    """Takes every header value of one target out of whatever is to be shown."""

    __slots__ = ("_redactor",)

    def __init__(self, target: Target) -> None:
        self._redactor = Redactor(secrets_in(target))

    def text(self, said: str) -> str:
        said = self._redactor.text(said)
        return said if len(said) <= MAX_TEXT_CHARS else f"{said[: MAX_TEXT_CHARS - 1]}…"

    def facts(self, evidence: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._value(value) for name, value in evidence.items()}

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self.facts(value)
        if isinstance(value, (list, tuple)):
            return [self._value(item) for item in value]
        return value
