"""Credentials: which one is in use, which fields are set, and since when. Never a value."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesCheckboxFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from providers.admin import states
from providers.admin.base import ProvidersAdmin
from providers.credentials import activate, revoke
from providers.models import Credential
from tenants.admin.acts import act
from tenants.admin.base import LookOnly, acting
from tenants.admin.links import link_to

LIFE = ("expires_at", "grace_until", "last_used_at", "last_error", "created_at", "updated_at")


@admin.register(Credential)
class CredentialAdmin(LookOnly, ProvidersAdmin):
    """Values are entered on the provider's own page; here they are only switched and wiped."""

    list_display = ("name", "provider", "tenant", "shown_state", "fields_set", "last_used_at", "last_error")
    list_filter = (("tenant", AutocompleteSelectFilter), ("state", ChoicesCheckboxFilter))
    list_select_related = ("tenant", "provider")
    search_fields = ("name", "provider__name", "tenant__slug")
    search_help_text = "Name, provider or tenant"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("name", "shown_provider", "tenant", "state", "secrets")}),
        ("Life", {"fields": LIFE}),
    )
    actions_detail = ("activate", "revoke")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        return super().get_queryset(request).prefetch_related("secrets")

    @display(description="State", ordering="state", label=states.CREDENTIAL)
    def shown_state(self, credential: Credential) -> tuple[str, str]:
        return credential.state, credential.get_state_display()

    @display(description="Provider")
    def shown_provider(self, credential: Credential) -> str:
        return link_to(credential.provider)

    @display(description="Set")
    def fields_set(self, credential: Credential) -> str:
        return ", ".join(sorted(secret.field for secret in credential.secrets.all())) or "nothing"

    @display(description="Sealed fields")
    def secrets(self, credential: Credential) -> str:
        """A fingerprint tells whether two stored values are the same, and nothing else."""
        rows = [(s.field, s.fingerprint, s.updated_at.strftime("%d %b %Y %H:%M UTC")) for s in credential.secrets.all()]
        lines = format_html_join("", "<li>{} · fingerprint <code>{}</code> · since {}</li>", rows)
        return format_html_join("", "<ul>{}</ul>", [(lines,)]) if rows else "-"

    # --- Acts ---

    def has_activate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        usable = (Credential.State.STAGED, Credential.State.GRACE)
        return self.may(request, "change") and self.row_is(object_id, *usable)

    def has_revoke_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        live = [state for state in Credential.State if state != Credential.State.REVOKED]
        return self.may(request, "delete") and self.row_is(object_id, *live)

    @act(
        "Activate",
        right="activate",
        icon="lock_open",
        explains="The provider's calls use it from now on; the former one is kept, staged. A validation is queued.",
    )
    def activate(self, request: HttpRequest, credential: Credential, form: Any) -> str:
        activate(credential, by=acting(request))
        return f"{credential} is the active credential of {credential.provider}."

    @act(
        "Revoke",
        right="revoke",
        icon="lock_reset",
        variant=ActionVariant.DANGER,
        explains="Its values are wiped at once. Calls go out without a credential if it is the active one.",
    )
    def revoke(self, request: HttpRequest, credential: Credential, form: Any) -> str:
        revoke(credential, by=acting(request))
        return f"{credential} is revoked, its values are wiped."
