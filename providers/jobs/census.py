"""How many jobs wait in each line: one index scan for all, kept for half a second where it is a long one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection

from providers.jobs import sql
from tenants.models import Tenant

FRESH_SECONDS: Final = 0.5
LONG: Final = 1000  # jobs; shorter queues are counted each time


_LINES: Final = "SELECT line, COUNT(*), MIN({id}) FROM providers_job WHERE state = 'queued' GROUP BY line"


class LineName(NamedTuple):
    """What a line's name says; see `Job.line`."""

    endpoint: str
    tenant_id: UUID
    priority: str
    model: str  # hex, or empty


@dataclass(slots=True)
class Crowd:
    """Jobs of one line."""

    name: LineName
    count: int
    oldest: str  # id, hex: ids grow with time


class Census:
    """What waits, as it was when it was counted."""

    def __init__(self, crowds: Iterable[Crowd]) -> None:
        self._at: dict[str, list[Crowd]] = {}
        for crowd in crowds:
            self.at(crowd.name.endpoint).append(crowd)
        self.counted_at = time.monotonic()
        everybody = [crowd for those in self._at.values() for crowd in those]
        self.jobs = sum(crowd.count for crowd in everybody)
        self.weights = _weights({crowd.name.tenant_id for crowd in everybody})

    @property
    def age_seconds(self) -> float:
        return time.monotonic() - self.counted_at

    def at(self, endpoint: str) -> list[Crowd]:
        return self._at.setdefault(endpoint, [])

    def same_line(self, endpoint: str, tenant_id: UUID, priority: str) -> int:
        """Jobs of a tenant and priority at an endpoint, whatever their model."""
        wanted = (endpoint, tenant_id, priority)
        return sum(crowd.count for crowd in self.at(endpoint) if crowd.name[:3] == wanted)

    def add(self, endpoint: str, tenant_id: UUID, priority: str, model: str, job_id: UUID) -> None:
        """One more, which this process has just taken in."""
        name = LineName(endpoint, tenant_id, priority, model)
        for crowd in self.at(endpoint):
            if crowd.name == name:
                crowd.count += 1
                return
        self.at(endpoint).append(Crowd(name, 1, job_id.hex))


_remembered: Census | None = None


def census() -> Census:
    """The present one; where the queue is long, one that is up to half a second old."""
    global _remembered
    known = _remembered
    if known is None or known.jobs < LONG or known.age_seconds > FRESH_SECONDS:
        known = _remembered = count()
    return known


def count() -> Census:
    id_as_text = "id::text" if sql.is_postgresql() else "id"
    with connection.cursor() as cursor:
        cursor.execute(_LINES.format(id=id_as_text), [])
        return Census(Crowd(parse(row[0]), row[1], row[2].replace("-", "")) for row in sql.rows(cursor))


def parse(line: str) -> LineName:
    endpoint, tenant, priority, _, model, _ = line.split(" ")
    return LineName(endpoint, UUID(tenant), priority, model.replace("-", ""))


def _weights(tenant_ids: set[UUID]) -> dict[UUID, int]:
    if not tenant_ids:
        return {}
    return dict(Tenant.objects.filter(pk__in=tenant_ids).values_list("pk", "weight"))
