"""A provider's form against its kind: every fault is found and named by its field before anything is saved.

JSON Schema's own messages quote the value, which may be a secret: ours never do.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from providers.errors import CallerError
from providers.kinds import KINDS
from providers.kinds.base import Kind
from providers.upstream.egress import check_base_url
from tenants.problems import FieldError, Problem, invalid

MAX_URL_CHARS: Final = 2048
MAX_SECRET_CHARS: Final = 8192

# Ours to set, or of the connection alone. Lower case: header names are compared so.
FORBIDDEN_HEADERS: Final = frozenset(
    {"host", "authorization", "cookie", "x-api-key", "xi-api-key", "api-key", "proxy-authorization"}
    | {"connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "expect", "content-length", "content-type", "content-encoding", "accept-encoding"}
)
HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
MASK: Final = re.compile(r"\*{3}|[•●∙·]{2}|…|\.{4}|^\.{3}|^\[?_*(hidden|masked|redacted)_*\]?$|^<.*>$", re.IGNORECASE)

# What a JSON Schema keyword means for the reader, and the field code that says it.
KEYWORDS: Final[dict[str, tuple[str, str]]] = {
    "type": ("invalid_type", "It must be of type {expected}."),
    "enum": ("invalid_choice", "It must be one of {expected}."),
    "const": ("invalid_choice", "It must be {expected}."),
    "minimum": ("min_value", "It must be at least {expected}."),
    "maximum": ("max_value", "It must be at most {expected}."),
    "exclusiveMinimum": ("min_value", "It must be more than {expected}."),
    "exclusiveMaximum": ("max_value", "It must be less than {expected}."),
    "minLength": ("min_length", "It must have at least {expected} characters."),
    "maxLength": ("max_length", "It must have at most {expected} characters."),
    "maxItems": ("max_length", "It must have at most {expected} items."),
    "maxProperties": ("max_length", "It must have at most {expected} entries."),
    "pattern": ("invalid", "It holds characters that are not allowed here."),
}


@dataclass(frozen=True)
class CheckedForm:
    """A provider's form that is right in itself; its address is the normalised one."""

    kind: str
    base_url: str
    settings: dict[str, Any]
    credentials: dict[str, str] = field(repr=False)


def check_form(
    *, kind: str, base_url: str, credentials: Mapping[str, str | None], settings: Mapping[str, Any]
) -> CheckedForm:
    """The form with its defaults filled in. Raises one Problem that names every field at fault."""
    chosen = kind_named(kind)
    faults: list[FieldError] = []
    url = normalised_url(chosen, base_url, faults)
    secrets = {name: value for name, value in credentials.items() if value is not None}
    faults += secret_faults(chosen, credentials, complete=secrets)
    filled = {**chosen.default_settings(), **settings}
    faults += settings_faults(chosen, filled)
    refuse(faults)
    return CheckedForm(kind=kind, base_url=url, settings=filled, credentials=secrets)


def refuse(faults: list[FieldError]) -> None:
    """Raise the one Problem for these faults; return when there are none."""
    if faults:
        raise invalid(faults)


def kind_named(kind: str) -> Kind:
    if kind not in KINDS:
        raise Problem("kind_unknown", errors=[FieldError("kind", "kind_unknown", "There is no such provider kind.")])
    return KINDS[kind]


def normalised_url(kind: Kind, base_url: str, faults: list[FieldError]) -> str:
    """The address as it will be stored; what is wrong with it is added to `faults`."""
    try:
        if len(base_url) > MAX_URL_CHARS:
            raise CallerError("url_malformed", f"An address has at most {MAX_URL_CHARS} characters.")
        return kind.normalise_base_url(check_base_url(base_url))
    except CallerError as error:
        faults.append(FieldError("base_url", error.code, error.message))
        return base_url


# --- Secrets ---


def secret_faults(
    kind: Kind, given: Mapping[str, str | None], *, complete: Collection[str], path: str = "credentials"
) -> list[FieldError]:
    """What is wrong with the `given` values, and with the set of fields that will be there afterwards (`complete`)."""
    known = kind.credential_schema["properties"]
    faults = [_unknown(f"{path}.{name}"[:200]) for name in given if name not in known]
    for name, value in given.items():
        if name in known and value is not None:
            own = list(_value_faults(f"{path}.{name}", value))
            faults += own or schema_faults(known[name], value, f"{path}.{name}")
    missing = [name for name in kind.credential_schema.get("required", []) if name not in complete]
    return faults + [FieldError(f"{path}.{name}", "required", "This field is required.") for name in missing]


def _value_faults(path: str, value: str) -> Iterable[FieldError]:
    if not isinstance(value, str):
        yield FieldError(path, "invalid_type", "It must be a string, or null to clear it.")
    elif looks_masked(value):
        yield FieldError(path, "secret_looks_masked", "This looks like a mask. Leave the field out to keep the value.")
    elif not value or len(value) > MAX_SECRET_CHARS:
        yield FieldError(path, "invalid", f"A secret has 1 to {MAX_SECRET_CHARS} characters; null clears it.")
    elif not (value.isascii() and value.isprintable()) or value != value.strip():
        yield FieldError(path, "invalid", "A secret has printable ASCII characters and no blank at either end.")


def looks_masked(value: str) -> bool:
    """True for what a read shows in place of a secret, or a form's dots: saving it would destroy the real one."""
    return bool(MASK.search(value.strip()))


# --- Settings ---


def settings_faults(kind: Kind, settings: Mapping[str, Any]) -> list[FieldError]:
    faults = schema_faults(kind.settings_schema, settings, "settings")
    headers = settings.get("extra_headers")
    if isinstance(headers, Mapping):
        faults += _header_faults(headers)
    return faults


def _header_faults(headers: Mapping[str, Any]) -> Iterable[FieldError]:
    """What JSON Schema cannot say of headers; sizes and types stand in the kind's schema."""
    for name, value in headers.items():
        path = f"settings.extra_headers.{name}"[:200]
        if name.lower() in FORBIDDEN_HEADERS:
            yield FieldError(path, "header_forbidden", "This header may not be set by hand.")
        elif not HEADER_NAME.fullmatch(name):
            yield FieldError(path, "invalid", "This is not a header's name.")
        elif isinstance(value, str) and not (value.isascii() and value.isprintable()):
            yield FieldError(path, "invalid", "A header's value has printable ASCII characters.")


# --- JSON Schema ---


def schema_faults(schema: Mapping[str, Any], value: Any, path: str) -> list[FieldError]:
    """The faults of `value`, each at its dotted path below `path`."""
    faults: list[FieldError] = []
    for error in Draft202012Validator(dict(schema)).iter_errors(value):
        faults += _faults_of(error, ".".join([path, *(str(part) for part in error.absolute_path)]))
    return list(dict.fromkeys(faults))


def _faults_of(error: ValidationError, path: str) -> list[FieldError]:
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
        return [_unknown(f"{path}.{name}"[:200]) for name in error.instance if name not in known]
    if error.validator == "required" and isinstance(error.instance, Mapping):
        missing = [name for name in _as_list(error.validator_value) if name not in error.instance]
        return [FieldError(f"{path}.{name}", "required", "This field is required.") for name in missing]
    code, message = KEYWORDS.get(str(error.validator), ("invalid", "It is not valid."))
    return [FieldError(path[:200], code, message.format(expected=_readable(error.validator_value)))]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _readable(expected: Any) -> str:
    return ", ".join(str(item) for item in expected) if isinstance(expected, list) else str(expected)


def _unknown(path: str) -> FieldError:
    return FieldError(path, "unknown_field", "This field is not known here.")
