"""The audit log, to read and filter. It is written by the verbs alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display

from tenants.admin.base import LookOnly, VerbAdmin
from tenants.admin.readable import readable
from tenants.models import AuditEvent

ACTORS = {"user": "info", "api_key": "primary", "operator": "warning", "system": "default"}
FACTS = (
    "created_at",
    "tenant",
    "actor",
    "actor_kind",
    "actor_id",
    "action",
    "object_type",
    "object_label",
    "object_id",
)


@admin.register(AuditEvent)
class AuditEventAdmin(LookOnly, VerbAdmin):
    list_display = ("created_at", "tenant", "actor", "kind", "action", "shown_object", "summary")
    list_filter = (
        ("tenant", AutocompleteSelectFilter),
        ("actor_kind", AllValuesCheckboxFilter),
        ("object_type", AllValuesCheckboxFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_select_related = ("tenant",)
    search_fields = ("actor_label", "action", "object_label", "=request_id")
    search_help_text = "Actor, action, object or request id"
    ordering = ("-id",)
    fields = (*FACTS, "request_id", "detail")

    @display(description="Actor", ordering="actor_label")
    def actor(self, event: AuditEvent) -> str:
        return event.actor_label

    @display(description="As", ordering="actor_kind", label=ACTORS)
    def kind(self, event: AuditEvent) -> tuple[str, str]:
        return event.actor_kind, event.actor_kind.replace("_", " ")

    @display(description="Object", ordering="object_label")
    def shown_object(self, event: AuditEvent) -> str:
        return format_html("{} <strong>{}</strong>", event.object_type.replace("_", " "), event.object_label)

    @display(description="What")
    def summary(self, event: AuditEvent) -> str:
        return readable(event.detail, max_chars=100)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("tenant")
