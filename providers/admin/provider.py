"""Providers: add one by its kind's form, edit, switch, validate now, import its models, remove."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.timesince import timesince
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, AutocompleteSelectFilter, ChoicesCheckboxFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from providers.admin import states
from providers.admin.base import ProvidersPanelAdmin
from providers.admin.provider_dialogs import ImportForm, LevelForm, RemovalForm
from providers.admin.provider_form import form_for, secret_names, setting_names
from providers.admin.provider_panel import facts_of
from providers.kinds import KINDS
from providers.model_imports import import_models
from providers.models import ModelEntry, Provider, ValidationRun
from providers.registration import delete_provider, set_enabled
from providers.validation.runs import latest_run, queue_run
from tenants.admin.acts import Gone, Onward, act
from tenants.admin.base import acting
from tenants.admin.counts import how_many
from tenants.admin.links import page_address

FACTS = ("tenant", "kind", "id", "created_at", "updated_at")


@admin.register(Provider)
class ProviderAdmin(ProvidersPanelAdmin):
    list_display = ("name", "tenant", "kind_label", "server_url", "shown_state", "since", "enabled", "models")
    list_filter = (
        ("tenant", AutocompleteSelectFilter),
        ("state", ChoicesCheckboxFilter),
        ("kind", AllValuesCheckboxFilter),
        "enabled",
    )
    list_select_related = ("tenant",)
    search_fields = ("name", "base_url", "tenant__slug")
    search_help_text = "Name, address or tenant"
    ordering = ("-id",)
    autocomplete_fields = ("tenant",)
    panel_template = "operators/provider_panel.html"
    actions = ("validate_selected", "enable_selected", "disable_selected")
    actions_detail = ("validate", "import_models", "enable", "disable", "remove")

    # --- The form ---

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First the kind is chosen, since it decides the form."""
        if request.GET.get("kind") in KINDS:
            return super().add_view(request, form_url, extra_context)
        if not self.has_add_permission(request):
            return super().add_view(request, form_url, extra_context)  # which refuses
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": "Which kind of server?"}
        return TemplateResponse(request, "operators/kinds.html", {**context, "kinds": KINDS.values()})

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change=change, form=self._form(request, obj), **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        form = self._form(request, obj)
        sets: list[Any] = [
            (form.kind.label, {"fields": (*(() if obj else ("tenant",)), "name", "base_url")}),
            ("Settings", {"fields": setting_names(form), "classes": ("collapse",)}),
        ]
        if obj is None or self.has_change_permission(request, obj):
            about = "Sealed when saved, and never shown again, to nobody. Another server's address needs them anew."
            sets.insert(1, ("Credentials", {"fields": secret_names(form), "description": about}))
        return [*sets, ("Facts", {"fields": FACTS, "classes": ("collapse",)})] if obj else sets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return FACTS if obj else ()

    def _form(self, request: HttpRequest, provider: Provider | None) -> Any:
        return form_for(KINDS[provider.kind if provider else request.GET["kind"]], provider)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """On to the validation that the new provider has started."""
        response = super().response_add(request, obj, post_url_continue)
        run = latest_run(obj)
        is_plain = not {"_addanother", "_continue", "_popup"} & set(request.POST)
        return HttpResponseRedirect(page_address(run)) if run and is_plain else response

    # --- Columns ---

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        return super().get_queryset(request).annotate(model_count=how_many(ModelEntry, "provider"))

    @display(description="Kind", ordering="kind")
    def kind_label(self, provider: Provider) -> str:
        return KINDS[provider.kind].label if provider.kind in KINDS else provider.kind

    @display(description="Server URL", ordering="base_url")
    def server_url(self, provider: Provider) -> str:
        return provider.base_url

    @display(description="State", ordering="state", label=states.PROVIDER)
    def shown_state(self, provider: Provider) -> tuple[str, str]:
        return provider.state, provider.get_state_display()

    @display(description="For", ordering="state_since")
    def since(self, provider: Provider) -> str:
        return timesince(provider.state_since, depth=1)

    @display(description="Models", ordering="model_count")
    def models(self, provider: Any) -> int:
        return int(provider.model_count)

    # --- The panel above the form ---

    def panel(self, request: HttpRequest, row: Provider) -> dict[str, Any]:
        return facts_of(row)

    def is_moving(self, row: Provider) -> bool:
        run = latest_run(row)
        return run is not None and run.state in (ValidationRun.State.QUEUED, ValidationRun.State.RUNNING)

    # --- Acts ---

    def has_enable_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self.may(request, "change") and not getattr(self.row(object_id), "enabled", False)

    def has_disable_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self.may(request, "change") and getattr(self.row(object_id), "enabled", True)

    @act(
        "Validate now",
        right="change",
        icon="rule",
        variant=ActionVariant.PRIMARY,
        explains="A worker checks the server step by step. Each level includes those before it.",
        form_class=LevelForm,
    )
    def validate(self, request: HttpRequest, provider: Provider, form: Any) -> Onward:
        run = queue_run(provider, level=form.cleaned_data["level"], by=acting(request))
        return Onward(page_address(run))

    def has_import_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("providers.add_modelentry")

    @act(
        "Import models",
        right="import",
        icon="download",
        explains="What the last validation found becomes model entries. The server is not asked again.",
        form_class=ImportForm,
    )
    def import_models(self, request: HttpRequest, provider: Provider, form: Any) -> str:
        done = import_models(provider, by=acting(request), models=None)
        return f"{len(done.created)} imported, {len(done.skipped)} left out."

    @act("Enable", right="enable", icon="toggle_on", explains="Calls to its models are dispatched again.")
    def enable(self, request: HttpRequest, provider: Provider, form: Any) -> str:
        set_enabled(provider, True, by=acting(request))
        return f"{provider} is enabled."

    @act(
        "Disable",
        right="disable",
        icon="toggle_off",
        explains="Calls to its models are refused with model_disabled, until it is enabled again. Its state stays.",
    )
    def disable(self, request: HttpRequest, provider: Provider, form: Any) -> str:
        set_enabled(provider, False, by=acting(request))
        return f"{provider} is disabled."

    @act(
        "Remove",
        right="remove",
        icon="delete",
        variant=ActionVariant.DANGER,
        explains="The provider goes with its credentials, its models and its history. This cannot be undone.",
        form_class=RemovalForm,
    )
    def remove(self, request: HttpRequest, provider: Provider, form: Any) -> Gone:
        delete_provider(provider, by=acting(request), cascade=True)
        return Gone(f"{provider} is removed.")

    @admin.action(description="Validate now", permissions=["change"])
    def validate_selected(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        by, level = acting(request), ValidationRun.Level.MODELS
        self.each(request, providers, lambda provider: queue_run(provider, level=level, by=by), "queued for validation")

    @admin.action(description="Enable", permissions=["change"])
    def enable_selected(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        by = acting(request)
        self.each(request, providers, lambda provider: set_enabled(provider, True, by=by), "enabled")

    @admin.action(description="Disable", permissions=["change"])
    def disable_selected(self, request: HttpRequest, providers: QuerySet[Provider]) -> None:
        by = acting(request)
        self.each(request, providers, lambda provider: set_enabled(provider, False, by=by), "disabled")
