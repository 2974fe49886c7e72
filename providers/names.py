"""Names that people give: what they may look like, and that no two are the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from tenants.problems import FieldError, Problem, invalid

MAX_NAME_CHARS: Final = 100
MAX_MODEL_NAME_CHARS: Final = 255
RESERVED_MODEL_NAME: Final = "default"  # as `model` in a call it means the tenant's default of the type


def checked_name(name: str) -> str:
    """A provider's or credential's name, without outer blanks. Raises Problem."""
    trimmed = name.strip()
    if not 1 <= len(trimmed) <= MAX_NAME_CHARS or not trimmed.isprintable():
        raise invalid([FieldError("name", "invalid", f"A name has 1 to {MAX_NAME_CHARS} printable characters.")])
    return trimmed


def model_name_fault(name: str, *, field: str = "name") -> FieldError | None:
    """What is wrong with a name that callers are to send as `model`; None for a good one."""
    if name == RESERVED_MODEL_NAME:
        return FieldError(field, "name_reserved", "`default` stands for the tenant's default model.")
    if not 1 <= len(name) <= MAX_MODEL_NAME_CHARS or not name.isprintable() or any(char.isspace() for char in name):
        message = f"A model's name has 1 to {MAX_MODEL_NAME_CHARS} printable characters and no spaces."
        return FieldError(field, "invalid", message)
    return None


@contextmanager
def only_one_named(rows: QuerySet[Any], name: str, *, besides: UUID | None = None) -> Iterator[None]:
    """Save a row with this name inside: `name_taken` if one of `rows` has it, or takes it in the same moment."""
    others = rows.filter(name=name).exclude(id=besides)
    _refuse_taken(others)
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        _refuse_taken(others)
        raise


def _refuse_taken(others: QuerySet[Any]) -> None:
    if others.exists():
        raise Problem("name_taken", errors=[FieldError("name", "name_taken", "Another one has this name already.")])
