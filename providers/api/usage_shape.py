"""How usage is shown: the same columns as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from providers.jobs.operations import NAMES
from providers.usage.figures import Sums
from providers.usage.report import BUCKETS, DIMENSIONS, Dimension, Line
from tenants.api.bodies import JSONRenderer

Names = Mapping[Dimension, Mapping[Any, str]]  # of providers and keys that are still there

NAMED: Final[dict[Dimension, str]] = {"provider": "provider_name", "api_key": "api_key_name"}
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets run instead of showing


class MillisecondsShape(serializers.Serializer[Any]):
    average = serializers.IntegerField(allow_null=True)
    max = serializers.IntegerField(allow_null=True)

    class Meta:
        ref_name = "Milliseconds"


class UsageSumsShape(serializers.Serializer[Any]):
    calls = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField(help_text="The caller left, or cancelled the job.")
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    estimated_calls = serializers.IntegerField(help_text="Their tokens are our guess: the server did not count.")
    estimated_share = serializers.FloatField(help_text="`estimated_calls` of `calls`, from 0 to 1.")
    first_token_ms = MillisecondsShape(help_text="From a call's arrival to its first token; streams only.")
    total_ms = MillisecondsShape(help_text="From a call's arrival to its end. Of a job: of its last attempt.")

    class Meta:
        ref_name = "UsageSums"


class UsageLineShape(UsageSumsShape):
    start = serializers.DateTimeField(help_text="When the hour or day began, in UTC.")
    model = serializers.CharField(required=False, help_text="As callers name it. Only where asked for in `group_by`.")
    provider = serializers.UUIDField(required=False, allow_null=True)
    provider_name = serializers.CharField(required=False, allow_null=True, help_text="Null once it is deleted.")
    api_key = serializers.UUIDField(required=False, allow_null=True, help_text="Null for what a person did.")
    api_key_name = serializers.CharField(required=False, allow_null=True)
    operation = serializers.ChoiceField(choices=NAMES, required=False)

    class Meta:
        ref_name = "UsageLine"


_REPORT: dict[str, Any] = {
    "from": serializers.DateTimeField(),
    "to": serializers.DateTimeField(),
    "bucket": serializers.ChoiceField(choices=BUCKETS),
    "group_by": serializers.ListField(child=serializers.ChoiceField(choices=DIMENSIONS)),
    "results": UsageLineShape(many=True),
    "totals": UsageSumsShape(help_text="Of all lines, not of this page alone."),
    "next": serializers.URLField(allow_null=True),
    "previous": serializers.URLField(allow_null=True),
}
UsageReportShape = inline_serializer("UsageReport", _REPORT)


class CSVRenderer(JSONRenderer):
    """Tables as CSV (RFC 4180); a refusal is JSON here as everywhere."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"  # type: ignore[assignment]  # JSON has none

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        if not isinstance(data, Table):
            return super().render(data, accepted_media_type, renderer_context)
        return data.as_csv()


class Table:
    """Rows that share their columns."""

    def __init__(self, columns: list[str], rows: Iterable[Mapping[str, Any]]) -> None:
        self.columns = columns
        self.rows = rows

    def as_csv(self) -> bytes:
        out = io.StringIO(newline="")
        writer = csv.writer(out)
        writer.writerow(self.columns)
        for row in self.rows:
            writer.writerow([cell(row[column]) for column in self.columns])
        return out.getvalue().encode()


def cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets a quote before it."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def columns_of(group_by: Iterable[Dimension]) -> list[str]:
    named = [name for one in group_by for name in ((one, NAMED[one]) if one in NAMED else (one,))]
    times = [f"{what}_{figure}" for what in ("first_token_ms", "total_ms") for figure in ("average", "max")]
    return ["start", *named, *_COUNTS, *times]


_COUNTS: Final = (
    "calls", "succeeded", "failed", "cancelled", "prompt_tokens", "completion_tokens", "total_tokens",
    "estimated_calls", "estimated_share",
)  # fmt: skip


def line_shown(line: Line, group_by: Iterable[Dimension], names: Names) -> dict[str, Any]:
    shown: dict[str, Any] = {"start": line.start}
    for dimension, value in zip(group_by, line.values, strict=True):
        shown[dimension] = value
        if dimension in NAMED:
            shown[NAMED[dimension]] = names[dimension].get(value)
    return {**shown, **sums_shown(line.sums)}


def sums_shown(sums: Sums) -> dict[str, Any]:
    return {
        "calls": sums.calls,
        "succeeded": sums.succeeded,
        "failed": sums.calls - sums.succeeded - sums.cancelled,
        "cancelled": sums.cancelled,
        "prompt_tokens": sums.prompt_tokens,
        "completion_tokens": sums.completion_tokens,
        "total_tokens": sums.prompt_tokens + sums.completion_tokens,
        "estimated_calls": sums.estimated_calls,
        "estimated_share": round(sums.estimated_calls / sums.calls, 4) if sums.calls else 0.0,
        "first_token_ms": _times(sums.first_token_ms, sums.first_token_ms_max, sums.timed),
        "total_ms": _times(sums.total_ms, sums.total_ms_max, sums.calls),
    }


def _times(sum_ms: int, max_ms: int, count: int) -> dict[str, int | None]:
    return {"average": round(sum_ms / count), "max": max_ms} if count else {"average": None, "max": None}


def flat(shown: Mapping[str, Any]) -> dict[str, Any]:
    """A line as a row of a table: `total_ms_max` for what stands inside `total_ms`."""
    row: dict[str, Any] = {}
    for name, value in shown.items():
        if isinstance(value, dict):
            row.update({f"{name}_{figure}": ms for figure, ms in value.items()})
        else:
            row[name] = value
    return row
