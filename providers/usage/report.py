"""What a tenant has used: calls, tokens and times, summed by hour or day and by what tells them apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Final, Literal
from uuid import UUID

from django.conf import settings
from django.db.models import F, QuerySet

from providers.models import UsageHour, UsageRecord
from providers.usage.figures import OF_CALLS, OF_HOURS, Bucket, BucketStart, Sums
from providers.usage.summing import HOUR, hour_of, moment_of, summed_until

Dimension = Literal["model", "provider", "api_key", "operation"]
Position = tuple[str, ...]

BUCKETS: Final[tuple[Bucket, ...]] = ("hour", "day")
DIMENSIONS: Final[tuple[Dimension, ...]] = ("model", "provider", "api_key", "operation")

COLUMNS: Final[dict[str, str]] = {
    "model": "model_name",
    "provider": "provider_id",
    "api_key": "api_key_id",
    "operation": "operation",
}


class TooManyLines(Exception):
    """The report would have more than USAGE_REPORT_MAX_LINES lines."""


@dataclass(frozen=True, slots=True)
class Question:
    """`where` holds values of UsageRecord's columns that a call must have."""

    tenant_id: UUID
    since: datetime
    until: datetime
    bucket: Bucket
    group_by: tuple[Dimension, ...] = ()
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """`values` are those of the dimensions that were asked for, in their order."""

    start: datetime
    values: tuple[Any, ...]
    sums: Sums

    @property
    def position(self) -> Position:
        """Where the line stands in its report; unique there."""
        return (self.start.isoformat(), *("" if value is None else str(value) for value in self.values))


def report(question: Question) -> list[Line]:
    """In order of time, then of the dimensions; hours and days without calls are left out. Raises TooManyLines."""
    lines: dict[tuple[Any, ...], Line] = {}
    columns = [COLUMNS[dimension] for dimension in question.group_by]
    for facts in chain.from_iterable(_parts(question, columns)):
        start = moment_of(facts["start"])
        place = (start, *(facts[column] for column in columns))
        lines.setdefault(place, Line(start, place[1:], Sums())).sums.add(facts)
        if len(lines) > settings.USAGE_REPORT_MAX_LINES:
            raise TooManyLines
    return sorted(lines.values(), key=lambda line: line.position)


def totals(lines: Iterable[Line]) -> Sums:
    total = Sums()
    for line in lines:
        total.add(line.sums.facts())
    return total


def _parts(question: Question, columns: list[str]) -> Iterator[Any]:
    """Whole hours that are summed up come from `UsageHour`; what is before and after them from the calls."""
    since, until = question.since, question.until
    last = min(hour_of(until), summed_until(question.tenant_id) or since)
    is_whole = since == hour_of(since) or since >= last
    first = since if is_whole else hour_of(since) + HOUR
    if first >= last:
        yield _of_calls(question, since, until, columns)
        return
    hours = UsageHour.objects.for_tenant(question.tenant_id).filter(hour__gte=first, hour__lt=last)
    yield _summed(hours.filter(**question.where), "hour", question.bucket, columns, OF_HOURS)
    yield _of_calls(question, since, first, columns)
    yield _of_calls(question, last, until, columns)


def _of_calls(question: Question, since: datetime, until: datetime, columns: list[str]) -> Any:
    calls = UsageRecord.objects.for_tenant(question.tenant_id).filter(created_at__gte=since, created_at__lt=until)
    return _summed(calls.filter(**question.where), "created_at", question.bucket, columns, OF_CALLS)


def _summed(rows: QuerySet[Any], moment: str, bucket: Bucket, columns: list[str], figures: dict[str, Any]) -> Any:
    grouped = rows.annotate(start=BucketStart(F(moment), bucket)).values("start", *columns)
    return grouped.annotate(**figures).order_by()[: settings.USAGE_REPORT_MAX_LINES + 1]
