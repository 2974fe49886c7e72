"""Model entries: what callers name as `model`, which server answers, and under which name there."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesCheckboxFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from providers.admin.base import ProvidersAdmin, ProvidersForm
from providers.admin.filters import OwnedFilter
from providers.kinds.forms import TIMEOUTS
from providers.model_entries import MODES, change_entry, create_entry, delete_entry, set_entry_enabled, try_entry
from providers.models import DefaultModel, ModelEntry, ModelType
from tenants.admin.acts import Gone, Onward, act
from tenants.admin.base import LookOnly, acting
from tenants.admin.links import page_address

HEALTH = {"healthy": "success", "degraded": "warning", "failing": "danger", "unhealthy": "danger"}
NAMES = ("provider", "name", "upstream_name", "type")
CAPABILITIES = ("mode", "context_size", "max_output_tokens", "dimensions", "features", "parameters", "settings")
FACTS = ("tenant", "shown_health", "capability_source", "created_at", "updated_at")


class ModelEntryForm(ProvidersForm):
    upstream_name = forms.CharField(
        max_length=255,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text="The model's name at the server; empty: the same name.",
    )
    type = forms.ChoiceField(
        choices=[(choice.value, choice.value) for choice in ModelType], widget=UnfoldAdminSelectWidget()
    )
    mode = forms.ChoiceField(
        choices=[("", "-"), *((mode, mode) for mode in MODES)],
        required=False,
        widget=UnfoldAdminSelectWidget(),
        help_text="For llm only: whether it takes messages or a prompt.",
    )
    features = forms.JSONField(
        required=False,
        initial=list,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text='A JSON list, such as ["stream", "tool-call", "vision"].',
    )
    parameters = forms.JSONField(
        required=False,
        initial=dict,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text='Defaults for calls that leave them out: a JSON object, such as {"temperature": 0.7}.',
    )

    settings = forms.JSONField(
        required=False,
        initial=dict,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text="Deadlines that differ from the provider's: a JSON object, such as "
        '{"first_token_timeout_seconds": 900}.',
    )

    def clean_mode(self) -> str | None:
        return self.cleaned_data["mode"] or None

    def clean_features(self) -> Any:
        return [] if self.cleaned_data["features"] is None else self.cleaned_data["features"]

    def clean_parameters(self) -> Any:
        return {} if self.cleaned_data["parameters"] is None else self.cleaned_data["parameters"]

    def clean_settings(self) -> Any:
        """What was taken out of the text is the provider's again."""
        typed = self.cleaned_data["settings"] or {}
        if not isinstance(typed, dict):
            raise forms.ValidationError("Write a JSON object.", code="invalid")
        return {**dict.fromkeys(TIMEOUTS), **typed}

    def given(self, *names: str) -> dict[str, Any]:
        """The values typed; what was left empty takes its default."""
        return {name: value for name in names if (value := self.cleaned_data.get(name)) not in (None, "")}

    def carry_out(self) -> ModelEntry:
        if self.instance._state.adding:
            provider = self.cleaned_data["provider"]
            fields = self.given("name", "upstream_name", "type", *CAPABILITIES)
            return create_entry(provider, by=self.by, fields=fields)
        changes = self.changed("name", "upstream_name", "type", *CAPABILITIES)
        return change_entry(self.row, by=self.by, changes=changes) if changes else self.instance


@admin.register(ModelEntry)
class ModelEntryAdmin(ProvidersAdmin):
    form = ModelEntryForm
    list_display = (
        "name",
        "tenant",
        "shown_type",
        "provider",
        "upstream_name",
        "enabled",
        "shown_health",
        "context_size",
    )
    list_filter = (
        ("tenant", AutocompleteSelectFilter),
        ("provider", OwnedFilter),
        ("type", ChoicesCheckboxFilter),
        "enabled",
    )
    list_select_related = ("tenant", "provider")
    search_fields = ("name", "upstream_name", "tenant__slug", "provider__name")
    search_help_text = "Name, tenant or provider"
    ordering = ("-id",)
    autocomplete_fields = ("provider",)
    actions = ("enable_selected", "disable_selected")
    actions_detail = ("test", "enable", "disable", "remove")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        sets: list[Any] = [(None, {"fields": NAMES}), ("Capabilities", {"fields": CAPABILITIES})]
        return [*sets, ("Facts", {"fields": FACTS, "classes": ("collapse",)})] if obj else sets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("provider", *FACTS) if obj else ()

    @display(description="Type", ordering="type")
    def shown_type(self, entry: ModelEntry) -> str:
        return entry.type

    @display(description="Health", label=HEALTH)
    def shown_health(self, entry: ModelEntry) -> str:
        return str(entry.health.get("state", "")) or "unknown"

    # --- Acts ---

    def has_enable_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self.may(request, "change") and not getattr(self.row(object_id), "enabled", False)

    def has_disable_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self.may(request, "change") and getattr(self.row(object_id), "enabled", True)

    @act(
        "Test",
        right="change",
        icon="rule",
        variant=ActionVariant.PRIMARY,
        explains="A worker makes one small real call to the model. A cold model is loaded first, which takes time.",
    )
    def test(self, request: HttpRequest, entry: ModelEntry, form: Any) -> Onward:
        return Onward(page_address(try_entry(entry, by=acting(request))))

    @act("Enable", right="enable", icon="toggle_on", explains="Callers may name it again.")
    def enable(self, request: HttpRequest, entry: ModelEntry, form: Any) -> str:
        set_entry_enabled(entry, True, by=acting(request))
        return f"{entry} is enabled."

    @act("Disable", right="disable", icon="toggle_off", explains="Calls that name it are refused with model_disabled.")
    def disable(self, request: HttpRequest, entry: ModelEntry, form: Any) -> str:
        set_entry_enabled(entry, False, by=acting(request))
        return f"{entry} is disabled."

    @act(
        "Remove",
        right="remove",
        icon="delete",
        variant=ActionVariant.DANGER,
        explains="Callers that name it get model_not_found. As a default it is unset; its jobs are cancelled.",
    )
    def remove(self, request: HttpRequest, entry: ModelEntry, form: Any) -> Gone:
        delete_entry(entry, by=acting(request), cascade=True)
        return Gone(f"{entry} is removed.")

    @admin.action(description="Enable", permissions=["change"])
    def enable_selected(self, request: HttpRequest, entries: QuerySet[ModelEntry]) -> None:
        by = acting(request)
        self.each(request, entries, lambda entry: set_entry_enabled(entry, True, by=by), "enabled")

    @admin.action(description="Disable", permissions=["change"])
    def disable_selected(self, request: HttpRequest, entries: QuerySet[ModelEntry]) -> None:
        by = acting(request)
        self.each(request, entries, lambda entry: set_entry_enabled(entry, False, by=by), "disabled")


@admin.register(DefaultModel)
class DefaultModelAdmin(LookOnly, ProvidersAdmin):
    list_display = ("tenant", "shown_type", "model")
    list_filter = (("tenant", AutocompleteSelectFilter), ("type", ChoicesCheckboxFilter))
    list_select_related = ("tenant", "model")
    search_fields = ("tenant__slug", "model__name")
    ordering = ("tenant__slug", "type")
    fields = ("tenant", "shown_type", "model")

    @display(description="Type", ordering="type")
    def shown_type(self, default: DefaultModel) -> str:
        return default.type
