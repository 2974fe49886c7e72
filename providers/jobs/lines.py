"""Lines of queued jobs: those that are alike (endpoint, tenant, priority, model, operation) stand in one, oldest first.

Found by leaps over a partial index: what it costs is the number of lines, not of jobs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from providers.job_slots import Suspicion
from providers.jobs import sql

LINES_AT_ONCE: Final = 500  # the next look goes on behind them
COUNT_UP_TO: Final = 256  # jobs of a line; the arbiter need not know of more at a time


@dataclass(frozen=True, slots=True)
class Line:
    """Facts of its oldest job that may run now, and how many such jobs there are, as far as they were counted."""

    name: str
    tenant_id: UUID
    endpoint: str
    priority: str
    suspicion: Suspicion
    model_name: str
    operation: str
    waited_seconds: float
    count: int


MAY_RUN: Final = (
    "state = 'queued' AND cancel_requested_at IS NULL AND (run_after IS NULL OR run_after <= {now}) "
    "AND deadline_at > {now}"
)

# `BETWEEN`, and the order by line as well: else PostgreSQL takes the primary key's order and reads through all others.
OF_LINE: Final = "line BETWEEN {line} AND {line} AND " + MAY_RUN + " ORDER BY line, id LIMIT"

_LEAPS: Final = """
WITH RECURSIVE leap(line) AS (
    SELECT MIN(line) FROM providers_job WHERE state = 'queued' AND line > %s
    UNION ALL
    SELECT (SELECT MIN(line) FROM providers_job WHERE state = 'queued' AND line > leap.line)
    FROM leap WHERE leap.line IS NOT NULL
), named AS (SELECT line FROM leap WHERE line IS NOT NULL LIMIT {most})
SELECT (SELECT id FROM providers_job WHERE {of_line} 1),
       (SELECT COUNT(*) FROM (SELECT 1 FROM providers_job WHERE {of_line} {count_up_to}) counted)
FROM named
"""

# The model's present name: renaming it does not strand what is queued.
_HEADS: Final = """
SELECT head.id, head.line, head.tenant_id, head.endpoint, head.priority, head.is_suspect, head.crashes,
       COALESCE(entry.name, head.model_name), head.operation, -({seconds_until_created})
FROM providers_job head LEFT JOIN providers_modelentry entry ON entry.id = head.model_entry_id
WHERE head.id IN ({ids})
ORDER BY head.line
"""


def waiting(behind: str = "") -> list[Line]:
    """Lines in which a job may run now; those after `behind` first, then from the start."""
    with connection.cursor() as cursor:
        found = _read(cursor, behind)
        if behind and len(found) < LINES_AT_ONCE:
            found += [line for line in _read(cursor, "") if line.name <= behind][: LINES_AT_ONCE - len(found)]
        return found


def _read(cursor: Any, behind: str) -> list[Line]:
    of_line = OF_LINE.format(line="named.line", now=sql.now())
    cursor.execute(_LEAPS.format(most=LINES_AT_ONCE, count_up_to=COUNT_UP_TO, of_line=of_line), [behind])
    counts = {head: count for head, count in sql.rows(cursor) if head is not None}
    if not counts:
        return []
    created = sql.seconds_until("head.created_at")
    cursor.execute(_HEADS.format(ids=sql.places(len(counts)), seconds_until_created=created), list(counts))
    return [_line(row, counts[row[0]]) for row in sql.rows(cursor)]


def _line(row: tuple[Any, ...], count: int) -> Line:
    return Line(
        name=row[1],
        tenant_id=sql.uuid_of(row[2]),
        endpoint=row[3],
        priority=row[4],
        suspicion=_suspicion(bool(row[5]), row[6]),
        model_name=row[7],
        operation=row[8],
        waited_seconds=float(row[9]),
        count=count,
    )


def _suspicion(is_suspect: bool, crashes: int) -> Suspicion:
    if not is_suspect:
        return Suspicion.NONE
    return Suspicion.COUNTED if crashes else Suspicion.SUSPECT
