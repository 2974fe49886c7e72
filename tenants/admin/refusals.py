"""A verb's refusal, as the operators' pages show it: sentences, each beside its field where it has one."""

from __future__ import annotations

from collections.abc import Collection

from tenants.problems import FieldError, Problem


def faults_of(refusal: Exception) -> list[FieldError]:
    """What is wrong, one entry a fault; `field` is empty where no single field is to blame.

    Other refusals than Problem tell their `code`, `message`, `remedy` and, where they know it, their `field`.
    """
    if isinstance(refusal, Problem):
        whole = FieldError("", refusal.code, _joined(refusal.detail, refusal.hint))
        return refusal.errors or [whole]
    text = _joined(getattr(refusal, "message", str(refusal)), getattr(refusal, "remedy", ""))
    return [FieldError(getattr(refusal, "field", ""), getattr(refusal, "code", ""), text)]


def sentence(refusal: Exception) -> str:
    return " ".join(f"{fault.field}: {fault.message}" if fault.field else fault.message for fault in faults_of(refusal))


def field_named(path: str, fields: Collection[str]) -> str | None:
    """The form's field for a path such as `credentials.api_key`: `credentials__api_key`, or the nearest above it."""
    parts = path.split(".")
    names = ("__".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in fields), None)


def _joined(*texts: str) -> str:
    return " ".join(text for text in texts if text)
