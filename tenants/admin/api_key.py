"""API keys: make one and show it this once, see what it may do, revoke it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from tenants.admin.acts import act
from tenants.admin.base import VerbAdmin, VerbForm, acting
from tenants.key_limits import Limits
from tenants.keys import change_key, create_key, revoke_key
from tenants.models import ApiKey
from tenants.permissions import SCOPES
from tenants.rate_limits import FIGURES, RateLimits

STATES = {"live": "success", "expired": "warning", "revoked": "danger"}
RIGHTS = ("name", "scopes", "expires_at", *FIGURES)
STATE = ("tenant", "shown_state", "prefix", "created_by", "acts_as_owner")
FACTS = (*STATE, "former_until", "last_used_at", "revoked_at", "created_at")


class ApiKeyForm(VerbForm):
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES],
        initial=list(SCOPES),
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="What the key may do. It acts for the tenant, not for a person.",
    )

    def limits(self, **kept: Any) -> Limits:
        values = self.cleaned_data
        rates = RateLimits(**{name: values[name] for name in FIGURES})
        return Limits(frozenset(values["scopes"]), expires_at=values["expires_at"], rate_limits=rates, **kept)

    def carry_out(self) -> ApiKey:
        row: ApiKey = self.row
        models = None if row.allowed_models is None else frozenset(row.allowed_models)
        cidrs = None if row.allowed_cidrs is None else tuple(row.allowed_cidrs)
        limits = self.limits(allowed_models=models, allowed_cidrs=cidrs)
        return change_key(row, name=self.cleaned_data["name"], limits=limits, by=self.by)


class NewApiKeyForm(ApiKeyForm):
    def carry_out(self) -> ApiKey:
        values = self.cleaned_data
        api_key, key = create_key(
            tenant_id=values["tenant"].id,
            name=values["name"],
            limits=self.limits(),
            by=self.by,
            creator=None,
            acts_as_owner=True,
        )
        api_key.shown_once = key  # type: ignore[attr-defined]  # for the answer to this request, nowhere else
        return api_key


@admin.register(ApiKey)
class ApiKeyAdmin(VerbAdmin):
    list_display = ("name", "tenant", "prefix", "shown_state", "created_by", "last_used_at", "expires_at", "created_at")
    list_filter = (("tenant", AutocompleteSelectFilter), ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("tenant", "created_by")
    search_fields = ("name", "key_id", "tenant__slug")
    search_help_text = "Name, tenant, or the key's public part"
    ordering = ("-id",)
    autocomplete_fields = ("tenant",)
    actions = ("revoke_selected",)
    actions_detail = ("revoke",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change=change, form=ApiKeyForm if obj else NewApiKeyForm, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("tenant", *RIGHTS)})]
        return [("Rights", {"fields": RIGHTS}), ("Facts", {"fields": FACTS})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return FACTS if obj else ()

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """The only answer that ever holds the key: no message, which would be stored, and no redirect. Never cached."""
        shown = {**self.admin_site.each_context(request), "opts": self.opts, "title": "The new key", "api_key": obj}
        return TemplateResponse(request, "operators/key_once.html", {**shown, "key": obj.shown_once})

    @display(description="State", label=STATES)
    def shown_state(self, api_key: ApiKey) -> str:
        if api_key.revoked_at:
            return "revoked"
        return "expired" if api_key.expires_at and api_key.expires_at <= timezone.now() else "live"

    @display(description="Key", ordering="key_id")
    def prefix(self, api_key: ApiKey) -> str:
        return f"myd_live_{api_key.key_id}…"

    # --- Acts ---

    def has_revoke_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        is_live = object_id is None or getattr(self.row(object_id), "revoked_at", "gone") is None
        return self.may(request, "delete") and is_live

    @act(
        "Revoke",
        right="revoke",
        icon="key_off",
        variant=ActionVariant.DANGER,
        explains="From now on the key opens nothing, on either plane. This cannot be undone.",
    )
    def revoke(self, request: HttpRequest, api_key: ApiKey, form: Any) -> str:
        revoke_key(api_key, by=acting(request))
        return f"The key {api_key} is revoked."

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        by = acting(request)
        self.each(request, keys, lambda api_key: revoke_key(api_key, by=by), "revoked")
