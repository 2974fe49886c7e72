"""What the hot statements need of the two databases: one text for both, but for the clock, types and row locks.

Times are the database's own, so that a worker whose clock is wrong neither loses its leases nor steals others'.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import cache
from typing import Any, Literal

from django.db import connection
from django.db.backends.utils import CursorWrapper

Type = Literal["uuid", "bigint", "text", "jsonb", "bytea", "double precision", "timestamptz", "boolean"]


@cache
def is_postgresql() -> bool:
    """Asked seven times for each job: remembered, since a process keeps to one database."""
    return connection.vendor == "postgresql"


def now() -> str:
    """The moment of the statement. On SQLite in the form in which Django stores times."""
    return "clock_timestamp()" if is_postgresql() else "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now')"


def after(seconds: str) -> str:
    """`seconds` from now: a placeholder, a column or a number, as SQL."""
    if is_postgresql():
        return f"clock_timestamp() + make_interval(secs => {seconds})"
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', ({seconds}) || ' seconds')"


def seconds_until(column: str) -> str:
    if is_postgresql():
        return f"EXTRACT(EPOCH FROM {column} - clock_timestamp())::float8"
    return f"(julianday({column}) - julianday('now')) * 86400.0"


def skip_locked() -> str:
    """SQLite has one writer at a time and needs none."""
    return "FOR UPDATE SKIP LOCKED" if is_postgresql() else ""


_IN_ORDER = """, in_order AS MATERIALIZED (
    SELECT id FROM providers_job WHERE id IN ({ids}) ORDER BY id FOR UPDATE
)"""


def locked_in_order(ids: str) -> tuple[str, str]:
    """A further table expression and its condition: these rows are locked by ascending id before they are changed.

    Statements that change many rows at once and in any order wait for each other in a ring. SQLite has one writer.
    """
    if not is_postgresql():
        return "", ""
    return _IN_ORDER.format(ids=ids), "AND providers_job.id IN (SELECT id FROM in_order)"


def places(count: int) -> str:
    return ", ".join(["%s"] * count)


def values(rows: int, types: list[Type], constants: str = "") -> str:
    """`(%s, …), (%s, …)` for a VALUES list; PostgreSQL wants to be told the types, else a column of NULLs is text."""
    typed = ", ".join(f"%s::{type_}" for type_ in types) if is_postgresql() else places(len(types))
    return ", ".join([f"({typed}{constants})"] * rows)


def id_of(value: uuid.UUID) -> Any:
    """As the database's column holds it."""
    return value if is_postgresql() else value.hex


def uuid_of(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def optional_id_of(value: uuid.UUID | None) -> Any:
    return None if value is None else id_of(value)


def moment_of(value: datetime) -> Any:
    """As the database's column holds it."""
    return value if is_postgresql() else connection.ops.adapt_datetimefield_value(value)


def optional_uuid_of(value: Any) -> uuid.UUID | None:
    return None if value is None else uuid_of(value)


def rows(cursor: CursorWrapper) -> list[tuple[Any, ...]]:
    return list(cursor.fetchall())
