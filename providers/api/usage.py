"""`GET {t}/usage`: what a tenant's calls and jobs have used, by hour or day."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

import orjson
from django.http import QueryDict
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from providers.api.base import ProvidersView
from providers.api.usage_shape import (
    CSVRenderer,
    Names,
    Table,
    UsageReportShape,
    columns_of,
    flat,
    line_shown,
    sums_shown,
)
from providers.jobs.operations import NAMES
from providers.models import Provider
from providers.usage.figures import Bucket
from providers.usage.report import (
    BUCKETS,
    COLUMNS,
    Dimension,
    Line,
    Position,
    Question,
    TooManyLines,
    report,
    totals,
)
from tenants.api import pages, schema
from tenants.api.bodies import JSONRenderer
from tenants.models import ApiKey
from tenants.problems import Problem

LONGEST: Final[dict[Bucket, timedelta]] = {"hour": timedelta(days=31), "day": timedelta(days=366)}
USUAL: Final[dict[Bucket, timedelta]] = {"hour": timedelta(hours=24), "day": timedelta(days=30)}
ANY_TEXT: Final = 255
EARLIEST: Final = datetime.min.replace(tzinfo=UTC)

PARAMETERS = [
    OpenApiParameter("from", OpenApiTypes.DATETIME, description="Not before this time. 24 hours, or 30 days, before."),
    OpenApiParameter("to", OpenApiTypes.DATETIME, description="Before this time. Now, where it is left out."),
    OpenApiParameter("bucket", str, enum=BUCKETS, description="`day`, or `hour` for at most 31 days. In UTC."),
    OpenApiParameter("group_by", str, description="One or more of model, provider, api_key, operation; by commas."),
    OpenApiParameter("model", str, description="Only calls of this model name."),
    OpenApiParameter("provider", OpenApiTypes.UUID, description="Only calls that this provider served."),
    OpenApiParameter("api_key", OpenApiTypes.UUID, description="Only calls of this key."),
    OpenApiParameter("operation", str, description="Only this operation, such as chat.completions."),
    schema.LIMIT,
    schema.CURSOR,
]
_SUMS: dict[str, Any] = {
    "calls": 128,
    "succeeded": 125,
    "failed": 2,
    "cancelled": 1,
    "prompt_tokens": 30110,
    "completion_tokens": 9120,
    "total_tokens": 39230,
    "estimated_calls": 4,
    "estimated_share": 0.0312,
    "first_token_ms": {"average": 310, "max": 2250},
    "total_ms": {"average": 1840, "max": 21030},
}
A_DAY = OpenApiExample(
    "a-day",
    {
        "from": "2026-11-01T00:00:00Z",
        "to": "2026-11-02T00:00:00Z",
        "bucket": "day",
        "group_by": ["model"],
        "results": [{"start": "2026-11-01T00:00:00Z", "model": "gpt-3.5-turbo", **_SUMS}],
        "totals": _SUMS,
        "next": None,
        "previous": None,
    },
    response_only=True,
    media_type="application/json",
)
A_TABLE = OpenApiExample(
    "a-table",
    "start,model,calls,succeeded,failed,cancelled,prompt_tokens,completion_tokens,total_tokens,estimated_calls,"
    "estimated_share,first_token_ms_average,first_token_ms_max,total_ms_average,total_ms_max\r\n"
    "2026-11-01T00:00:00Z,gpt-3.5-turbo,128,125,2,1,30110,9120,39230,4,0.0312,310,2250,1840,21030\r\n",
    response_only=True,
    media_type="text/csv",
)


class UsageView(ProvidersView):
    tag = "usage"
    scopes = {"GET": "usage:read"}
    renderer_classes = [JSONRenderer, CSVRenderer]

    @extend_schema(
        operation_id="usage_retrieve",
        parameters=PARAMETERS,
        responses={
            (200, "application/json"): UsageReportShape,
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "All lines as a table, without pages."),
        },
        examples=[A_DAY, A_TABLE],
        summary="Calls, tokens and times by hour or day",
    )
    def get(self, request: Request, tenant: str) -> Response:
        """One line for each hour or day and each group in it; those without calls are left out. Counted are calls of
        `/v1` and jobs that a model server was asked for, however they ended; not those that a limit refused."""
        question = self._question()
        limit = pages.whole_number(request, "limit", default=pages.DEFAULT_LIMIT, at_least=1, at_most=pages.MAX_LIMIT)
        try:
            lines = report(question)
        except TooManyLines:
            hint = "Ask for less time, for days in place of hours, or with fewer names in `group_by`."
            raise pages.bad_parameter("group_by", f"The report would be too long. {hint}") from None
        if request.accepted_renderer.format == CSVRenderer.format:
            return self._table(question, lines)
        return Response(self._page(question, lines, limit))

    # --- What is asked ---
    def _question(self) -> Question:
        asked = self.request.query_params.dict()
        bucket = cast(Bucket, _one_of("bucket", asked.get("bucket", "day"), BUCKETS))
        until = pages.moment("to", asked["to"]) if "to" in asked else timezone.now()
        since = pages.moment("from", asked["from"]) if "from" in asked else _before(until, bucket)
        if since >= until:
            raise pages.bad_parameter("from", "This must be before `to`.")
        if until - since > LONGEST[bucket]:
            raise pages.bad_parameter("from", f"At most {LONGEST[bucket].days} days by {bucket} at a time.")
        return Question(self.tenant, since, until, bucket, _dimensions(asked), self._where(asked))

    def _where(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        where: dict[str, Any] = {}
        if "model" in asked:
            where["model_name"] = asked["model"][: ANY_TEXT + 1]
        if "operation" in asked:
            where["operation"] = _one_of("operation", asked["operation"], NAMES)
        for name in ("provider", "api_key"):
            if name in asked:
                where[COLUMNS[name]] = _id(name, asked[name])
        return where

    # --- What is answered ---
    def _table(self, question: Question, lines: list[Line]) -> Response:
        group_by, names = question.group_by, self._names(question, lines)
        rows = [flat(line_shown(line, group_by, names)) for line in lines]
        name = f"{self.caller.tenant_slug}-usage.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(Table(columns_of(group_by), rows), headers=headers)

    def _page(self, question: Question, lines: list[Line], limit: int) -> dict[str, Any]:
        positions = [line.position for line in lines]
        first = bisect_left(positions, self._cursor(question)) if "cursor" in self.request.query_params else 0
        page = lines[first : first + limit]
        names = self._names(question, page)
        return {
            "from": question.since,
            "to": question.until,
            "bucket": question.bucket,
            "group_by": list(question.group_by),
            "results": [line_shown(line, question.group_by, names) for line in page],
            "totals": sums_shown(totals(lines)),
            "next": self._link(question, positions[first + limit]) if first + limit < len(lines) else None,
            "previous": self._link(question, positions[max(0, first - limit)]) if first else None,
        }

    def _names(self, question: Question, lines: list[Line]) -> Names:
        """Of the providers and keys in these lines, as they are called now."""
        found: dict[Dimension, dict[Any, str]] = {"provider": {}, "api_key": {}}
        for place, dimension in enumerate(question.group_by):
            ids = {line.values[place] for line in lines}
            if dimension == "provider":
                rows = Provider.objects.for_tenant(self.tenant).filter(pk__in=ids)
                found["provider"] = dict(rows.values_list("pk", "name"))
            elif dimension == "api_key":
                keys = ApiKey.objects.for_tenant(self.tenant).filter(pk__in=ids)
                found["api_key"] = dict(keys.values_list("pk", "name"))
        return found

    # --- Pages ---
    def _cursor(self, question: Question) -> Position:
        text = self.request.query_params["cursor"]
        try:
            values = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        except (binascii.Error, ValueError):
            raise Problem("cursor_invalid") from None
        is_list = isinstance(values, list) and all(isinstance(value, str) for value in values)
        if not is_list or len(values) != len(question.group_by) + 1:
            raise Problem("cursor_invalid", "The cursor belongs to another report.")
        return tuple(values)

    def _link(self, question: Question, position: Position) -> str:
        """The same report from there on; where it ends does not move on between pages."""
        parameters: QueryDict = self.request.query_params.copy()
        parameters["from"], parameters["to"] = question.since.isoformat(), question.until.isoformat()
        parameters["cursor"] = base64.urlsafe_b64encode(orjson.dumps(position)).decode().rstrip("=")
        return str(self.request.build_absolute_uri(f"{self.request.path}?{parameters.urlencode()}"))


def _dimensions(asked: Mapping[str, Any]) -> tuple[Dimension, ...]:
    if "group_by" not in asked:
        return ()
    names = [name.strip() for name in asked["group_by"].split(",")]
    if len(set(names)) != len(names) or not set(names) <= set(COLUMNS):
        raise pages.bad_parameter("group_by", f"This must be one or more of: {', '.join(COLUMNS)}; each once.")
    return tuple(cast(Dimension, name) for name in names)


def _one_of(name: str, value: str, known: Any) -> str:
    if value not in known:
        raise pages.bad_parameter(name, f"This must be one of: {', '.join(known)}.")
    return value


def _id(name: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise pages.bad_parameter(name, "This must be an id.") from None


def _before(until: datetime, bucket: Bucket) -> datetime:
    """Where a report begins that does not say: some whole hours or days before its end."""
    if until - EARLIEST < USUAL[bucket]:
        return EARLIEST
    start = (until - USUAL[bucket]).replace(minute=0, second=0, microsecond=0)
    return start if bucket == "hour" else start.replace(hour=0)
