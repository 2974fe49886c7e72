"""Cursor pages over any ordering: a page goes on after the last row seen, however many rows come in between."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.db.models import F, Model, Q, QuerySet
from django.http import QueryDict
from rest_framework.request import Request

from tenants.problems import FieldError, Problem, invalid

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Cursor:
    ordering: tuple[str, ...]
    values: tuple[Any, ...]
    backwards: bool

    def __str__(self) -> str:
        raw = orjson.dumps([self.ordering, self.values, self.backwards])
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def page_of(
    request: Request,
    rows: QuerySet[Any],
    show: Callable[[Sequence[Any]], Any],
    *,
    ordering: tuple[str, ...],
    orderings: Sequence[str] = (),
) -> dict[str, Any]:
    """`{"results", "next", "previous"}` for `?limit=`, `?ordering=` and `?cursor=`; `show` makes JSON of the rows.

    `orderings` are the names that `?ordering=` may hold, each also with a minus. Nullable columns do not qualify.
    """
    order = _with_tie_break(_ordering(request, ordering, orderings))
    limit = whole_number(request, "limit", default=DEFAULT_LIMIT, at_least=1, at_most=MAX_LIMIT)
    cursor = _cursor(request, rows.model, order)
    backwards = cursor is not None and cursor.backwards
    asked = tuple(_reversed(name) for name in order) if backwards else order
    if cursor is not None:
        rows = rows.filter(_beyond(asked, cursor.values))
    found = list(rows.order_by(*(_column(name) for name in asked))[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    if backwards:
        found.reverse()
    after = _link(request, order, found[-1], backwards=False) if found and (more or backwards) else None
    before = _link(request, order, found[0], backwards=True) if found and (more if backwards else cursor) else None
    return {"results": show(found), "next": after, "previous": before}


def whole_number(request: Request, name: str, *, default: int, at_least: int, at_most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) < 10 and at_least <= int(text) <= at_most:
        return int(text)
    raise bad_parameter(name, f"This must be a whole number from {at_least} to {at_most}.")


def flag(request: Request, name: str) -> bool:
    """False where it is left out. Empty is neither: `?cascade=` is a variable that somebody forgot to fill."""
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise bad_parameter(name, "This must be true or false.")
    return text == "true"


def moment(name: str, text: str) -> datetime:
    """The time that a parameter holds, in UTC."""
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign that was not encoded
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):  # also one that is in no year of UTC's
        pass
    raise bad_parameter(name, "This must be an RFC 3339 time with its offset, such as 2027-01-31T12:00:00Z.")


def bad_parameter(name: str, message: str) -> Problem:
    return invalid([FieldError(name, "invalid_parameter", message)])


def _ordering(request: Request, ordering: tuple[str, ...], orderings: Sequence[str]) -> tuple[str, ...]:
    text = request.query_params.get("ordering")
    if text is None:
        return ordering
    names = tuple(name.strip() for name in text.split(","))
    if len(names) <= 3 and all(name.removeprefix("-") in orderings for name in names):
        return names
    known = ", ".join(orderings) or "nothing"
    raise bad_parameter("ordering", f"This list can be ordered by: {known}.")


def _with_tie_break(order: tuple[str, ...]) -> tuple[str, ...]:
    if any(name.removeprefix("-") == "id" for name in order):
        return order
    return (*order, "-id" if order[-1].startswith("-") else "id")


def _reversed(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _column(name: str) -> Any:
    return F(name[1:]).desc() if name.startswith("-") else F(name).asc()


def _beyond(order: tuple[str, ...], values: tuple[Any, ...]) -> Q:
    """Rows after these values: (a > x) or (a = x and b > y) or …"""
    condition = Q()
    equal: dict[str, Any] = {}
    for name, value in zip(order, values, strict=True):
        column = name.removeprefix("-")
        beyond = {f"{column}__{'lt' if name.startswith('-') else 'gt'}": value}
        condition |= Q(**equal, **beyond)
        equal[column] = value
    return condition


def _cursor(request: Request, model: type[Model], order: tuple[str, ...]) -> Cursor | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        ordering, values, backwards = orjson.loads(raw)
        if tuple(ordering) != order or len(values) != len(order) or not isinstance(backwards, bool):
            raise Problem("cursor_invalid", "The cursor belongs to another ordering.")
        fields = [model._meta.get_field(name.removeprefix("-")) for name in order]
        read = tuple(_value(field, value) for field, value in zip(fields, values, strict=True))
    except (binascii.Error, ValueError, TypeError, ValidationError):
        raise Problem("cursor_invalid") from None
    return Cursor(order, read, backwards)


def _value(field: Any, value: Any) -> Any:
    if value is None or isinstance(value, (dict, list)):
        raise TypeError
    return field.to_python(value)


def _link(request: Request, order: tuple[str, ...], row: Any, *, backwards: bool) -> str:
    values = tuple(getattr(row, name.removeprefix("-")) for name in order)
    parameters: QueryDict = request.query_params.copy()
    parameters["cursor"] = str(Cursor(order, values, backwards))
    return str(request.build_absolute_uri(f"{request.path}?{parameters.urlencode()}"))
