"""`GET {t}/audit-events/export`: all of the audit log, oldest first, one JSON object a line.

The rows are read in chunks as they are sent, so that a log of any length takes little memory and no long query. A
stream holds one of Django's threads for as long as its reader takes, so only a few run at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Final

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request

from tenants.api.audit_events import FILTERS, AuditEventShape, asked_for
from tenants.api.base import TenantView
from tenants.api.bodies import JSONRenderer
from tenants.models import AuditEvent
from tenants.problems import Problem

MEDIA_TYPE: Final = "application/x-ndjson"
CHUNK_EVENTS: Final = 200
AT_ONCE: Final = 2  # in one process, of WEB_THREADS
RETRY_SECONDS: Final = 5

_places = threading.BoundedSemaphore(AT_ONCE)


class AuditExportView(TenantView):
    tag = "audit"
    scopes = {"GET": "audit:read"}

    @extend_schema(
        operation_id="audit_events_export",
        parameters=FILTERS,
        responses={
            (200, MEDIA_TYPE): OpenApiResponse(OpenApiTypes.STR, "One event a line, each as in `GET audit-events`."),
            429: OpenApiResponse(description="Other exports are running: see Retry-After."),
        },
        summary="The whole audit log, as NDJSON",
    )
    def get(self, request: Request, tenant: str) -> StreamingHttpResponse:
        """Oldest first. An answer that was cut off ends the connection without its last chunk."""
        events = asked_for(self)
        if not _places.acquire(blocking=False):
            headers = {"Retry-After": str(RETRY_SECONDS)}
            raise Problem("rate_limit_exceeded", "Other exports are running.", headers=headers)
        headers = {"Content-Disposition": f'attachment; filename="{self.caller.tenant_slug}-audit.ndjson"'}
        return StreamingHttpResponse(Export(events), content_type=MEDIA_TYPE, headers=headers)


class Export:
    """The lines, and the place among the exports that goes back when the answer is closed, however it ends."""

    def __init__(self, events: QuerySet[AuditEvent]) -> None:
        self._lines = _chunks(events)
        self._closing = threading.Lock()
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        return self._lines

    def close(self) -> None:
        with self._closing:
            was_open, self._is_open = self._is_open, False
        if was_open:
            _places.release()


def _chunks(events: QuerySet[AuditEvent]) -> Iterator[bytes]:
    """In the order of the chain; then what stands outside it."""
    yield from _ordered(events.exclude(seq=None), "seq")
    yield from _ordered(events.filter(seq=None), "id")


def _ordered(events: QuerySet[AuditEvent], column: str) -> Iterator[bytes]:
    rows = events.order_by(column)
    chunk = list(rows[:CHUNK_EVENTS])
    while chunk:
        yield b"".join(_line(shown) for shown in AuditEventShape(chunk, many=True).data)
        chunk = list(rows.filter(**{f"{column}__gt": getattr(chunk[-1], column)})[:CHUNK_EVENTS])


def _line(shown: Any) -> bytes:
    return JSONRenderer().render(shown) + b"\n"
