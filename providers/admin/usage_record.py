"""Usage: one line a call, of either plane. To read."""

from __future__ import annotations

from django.contrib import admin
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display

from providers.admin.base import ProvidersAdmin, shown_ms
from providers.models import UsageRecord
from tenants.admin.base import LookOnly


@admin.register(UsageRecord)
class UsageRecordAdmin(LookOnly, ProvidersAdmin):
    list_display = ("created_at", "tenant", "model_name", "operation", "tokens", "first_token", "took", "shown_outcome")
    list_filter = (
        ("tenant", AutocompleteSelectFilter),
        ("operation", AllValuesCheckboxFilter),
        ("outcome", AllValuesCheckboxFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_select_related = ("tenant",)
    search_fields = ("model_name", "tenant__slug")
    search_help_text = "Model or tenant"
    ordering = ("-id",)
    fields = (
        "tenant", "model_name", "operation", "prompt_tokens", "completion_tokens", "is_estimated", "first_token_ms",
        "total_ms", "outcome", "api_key_id", "provider_id", "model_entry_id", "job_id", "created_at",
    )  # fmt: skip

    @display(description="Tokens in / out")
    def tokens(self, record: UsageRecord) -> str:
        counts = [record.prompt_tokens, record.completion_tokens]
        text = " / ".join("-" if count is None else str(count) for count in counts)
        return f"≈ {text}" if record.is_estimated else text

    @display(description="First token", ordering="first_token_ms")
    def first_token(self, record: UsageRecord) -> str:
        return shown_ms(record.first_token_ms)

    @display(description="Took", ordering="total_ms")
    def took(self, record: UsageRecord) -> str:
        return shown_ms(record.total_ms)

    @display(description="Outcome", ordering="outcome", label={"succeeded": "success", "cancelled": "default"})
    def shown_outcome(self, record: UsageRecord) -> str:
        return record.outcome
