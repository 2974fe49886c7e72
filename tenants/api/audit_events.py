"""`GET {t}/audit-events`: who did what, newest first."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api import schema
from tenants.api.base import TenantView
from tenants.api.pages import moment
from tenants.models import AuditEvent

_ACTOR: dict[str, Any] = {
    "kind": serializers.ChoiceField(choices=["user", "api_key", "operator", "system"], source="actor_kind"),
    "id": serializers.UUIDField(source="actor_id", allow_null=True),
    "label": serializers.CharField(source="actor_label"),
}
_OBJECT: dict[str, Any] = {
    "type": serializers.CharField(source="object_type"),
    "id": serializers.UUIDField(source="object_id", allow_null=True),
    "label": serializers.CharField(source="object_label"),
}


class AuditEventShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    actor = inline_serializer("Actor", _ACTOR, source="*")
    action = serializers.CharField()
    object = inline_serializer("AuditedObject", _OBJECT, source="*")
    detail = serializers.DictField()
    request_id = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    seq = serializers.IntegerField(allow_null=True, help_text="The tenant's events are counted from 1.")
    prev_hash = serializers.CharField(allow_null=True, help_text="The `hash` of the event before.")
    hash = serializers.CharField(allow_null=True, help_text="Over this event and `prev_hash`, with a key held here.")

    class Meta:
        ref_name = "AuditEvent"


FILTERS = [
    OpenApiParameter("actor", OpenApiTypes.STR, description="The id or the label of who acted."),
    OpenApiParameter("action", OpenApiTypes.STR, description="Such as `provider.created`."),
    OpenApiParameter("object", OpenApiTypes.STR, description="The id or the type of what was acted on."),
    OpenApiParameter("from", OpenApiTypes.DATETIME, description="Not before this time."),
    OpenApiParameter("to", OpenApiTypes.DATETIME, description="Before this time."),
]


class AuditEventsView(TenantView):
    tag = "audit"
    scopes = {"GET": "audit:read"}

    @extend_schema(
        operation_id="audit_events_list",
        parameters=[*FILTERS, schema.LIMIT, schema.CURSOR],
        responses=schema.page_shape(AuditEventShape),
        summary="Who did what",
    )
    def get(self, request: Request, tenant: str) -> Response:
        return self.page(asked_for(self), AuditEventShape)


def asked_for(view: TenantView) -> QuerySet[AuditEvent]:
    """The tenant's events, as far as the query's filters let them through."""
    events: QuerySet[AuditEvent] = AuditEvent.objects.for_tenant(view.caller.tenant_id)
    asked = view.request.query_params
    if "actor" in asked:
        events = events.filter(_id_or("actor_id", "actor_label", asked["actor"]))
    if "action" in asked:
        events = events.filter(action=asked["action"])
    if "object" in asked:
        events = events.filter(_id_or("object_id", "object_type", asked["object"]))
    if "from" in asked:
        events = events.filter(created_at__gte=moment("from", asked["from"]))
    if "to" in asked:
        events = events.filter(created_at__lt=moment("to", asked["to"]))
    return events


def _id_or(id_column: str, text_column: str, asked: str) -> Q:
    try:
        return Q(**{id_column: UUID(asked)})
    except ValueError:
        return Q(**{text_column: asked})
