"""The body of `POST jobs`, checked: what a caller asks for, or a problem that names every wrong field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from providers.jobs.operations import LATER, OPERATIONS, Operation
from providers.jobs.shapes import is_object, is_text, is_whole
from tenants.problems import FieldError, Problem, invalid

PRIORITIES: Final = ("interactive", "normal", "batch")
RESTARTS: Final = ("always", "before_first_token")
DEADLINE_SECONDS: Final = 3600
BATCH_DEADLINE_SECONDS: Final = 86_400
MOST_DEADLINE_SECONDS: Final = 7 * 86_400
MOST_METADATA_BYTES: Final = 8192
MOST_METADATA_NAMES: Final = 50
MOST_NAME_CHARS: Final = 255
_FIELDS: Final = frozenset(
    {"model", "operation", "input", "priority", "deadline_seconds", "restart", "metadata"}
)  # `webhook` comes with webhooks


@dataclass(frozen=True, slots=True)
class Order:
    """`model` None is the tenant's default of the operation's type."""

    operation: Operation
    model: str | None
    priority: str
    deadline_seconds: int
    restart: str
    metadata: dict[str, Any]
    input: dict[str, Any] = field(repr=False)


def read_order(body: Any) -> Order:
    """Raises Problem: 400 with every wrong field, `operation_not_available` for one that is not built."""
    if not isinstance(body, dict):
        raise Problem("invalid_request", "The body is a JSON object with `operation`, `model` and `input`.")
    _refuse_unavailable(body.get("operation"))
    errors = list(_faults(body))
    if errors:
        raise invalid(errors[:20])
    priority = body.get("priority") or "normal"
    usual = BATCH_DEADLINE_SECONDS if priority == "batch" else DEADLINE_SECONDS
    return Order(
        operation=OPERATIONS[body["operation"]],
        model=body.get("model"),
        priority=priority,
        deadline_seconds=body.get("deadline_seconds") or usual,
        restart=body.get("restart") or "always",
        metadata=body.get("metadata") or {},
        input=body["input"],
    )


def _refuse_unavailable(operation: Any) -> None:
    if isinstance(operation, str) and operation in LATER:
        known = ", ".join(OPERATIONS)
        message = f"{operation} is not available yet. Available are: {known}."
        raise Problem(
            "operation_not_available", message, errors=[FieldError("operation", "operation_not_available", message)]
        )


def _faults(body: Mapping[str, Any]) -> Iterator[FieldError]:
    for name in body.keys() - _FIELDS:
        yield FieldError(str(name)[:100], "unknown_field", "This field is not known here.")
    yield from _name_faults(body)
    yield from _input_faults(body)
    yield from _choice_faults(body, "priority", PRIORITIES)
    yield from _choice_faults(body, "restart", RESTARTS)
    deadline = body.get("deadline_seconds")
    if deadline is not None and not (is_whole(deadline) and 1 <= deadline <= MOST_DEADLINE_SECONDS):
        message = f"Write a whole number of seconds from 1 to {MOST_DEADLINE_SECONDS}."
        yield FieldError("deadline_seconds", "invalid", message)
    yield from _metadata_faults(body.get("metadata"))


def _name_faults(body: Mapping[str, Any]) -> Iterator[FieldError]:
    model = body.get("model")
    if model is not None and not (is_text(model) and 1 <= len(model) <= MOST_NAME_CHARS):
        yield FieldError("model", "invalid", "Write the name of a model, or leave it out for the default.")


def _input_faults(body: Mapping[str, Any]) -> Iterator[FieldError]:
    operation, content = body.get("operation"), body.get("input")
    known = isinstance(operation, str) and operation in OPERATIONS
    if operation is None:
        yield FieldError("operation", "required", "This field is required.")
    elif not known:
        yield FieldError("operation", "invalid_choice", f"Write one of: {', '.join(OPERATIONS)}.")
    if content is None:
        yield FieldError("input", "required", "This field is required.")
    elif not isinstance(content, dict):
        yield FieldError("input", "invalid", "Write the body of the call as an object, without model and stream.")
    else:
        for name in content:
            if name.casefold() in ("model", "stream"):  # a server in Go reads `Model` as `model`
                message = "This is no part of `input`: the model is named beside it, and a job always streams."
                yield FieldError(f"input.{name}", "unknown_field", message)
        if known:
            yield from OPERATIONS[str(operation)].check(content)


def _choice_faults(body: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> Iterator[FieldError]:
    value = body.get(name)
    if value is not None and not (isinstance(value, str) and value in choices):
        yield FieldError(name, "invalid_choice", f"Write one of: {', '.join(choices)}.")


def _metadata_faults(metadata: Any) -> Iterator[FieldError]:
    if metadata is None:
        return
    if not is_object(metadata):
        yield FieldError("metadata", "invalid", "Write an object.")
    elif len(metadata) > MOST_METADATA_NAMES or any(len(name) > MOST_NAME_CHARS for name in metadata):
        yield FieldError(
            "metadata", "too_long", f"At most {MOST_METADATA_NAMES} names of {MOST_NAME_CHARS} characters."
        )
    elif len(orjson.dumps(metadata)) > MOST_METADATA_BYTES:
        yield FieldError("metadata", "too_long", f"At most {MOST_METADATA_BYTES} bytes.")
