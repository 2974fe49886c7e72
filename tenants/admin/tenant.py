"""Tenants: create one with its first owner, rename, suspend, resume."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminEmailInputWidget

from tenants.admin.acts import act
from tenants.admin.base import VerbAdmin, VerbForm, acting
from tenants.admin.counts import how_many
from tenants.admin.links import list_address
from tenants.models import AuditEvent, Membership, Tenant
from tenants.rate_limits import FIGURES, RateLimits
from tenants.registration import (
    change_tenant,
    create_tenant,
    limit_tenant,
    resume_tenant,
    set_share,
    suspend_tenant,
)

SHARE = ("weight", "max_in_flight")


class NewTenantForm(VerbForm):
    owner_email = forms.EmailField(
        label="First owner",
        max_length=254,
        widget=UnfoldAdminEmailInputWidget(),
        help_text="The email address of its owner. Without an account they get one, to be opened by a password reset.",
    )

    def carry_out(self) -> Tenant:
        values = self.cleaned_data
        return create_tenant(values["slug"], values["name"], values["owner_email"], by=self.by)


class TenantForm(VerbForm):
    def carry_out(self) -> Tenant:
        tenant = change_tenant(self.row, by=self.by, changes=self.changed("name"))
        tenant = set_share(tenant, by=self.by, changes=self.changed(*SHARE))
        return limit_tenant(tenant, RateLimits(**{name: self.cleaned_data[name] for name in FIGURES}), by=self.by)


@admin.register(Tenant)
class TenantAdmin(VerbAdmin):
    list_display = ("slug", "name", "shown_state", "weight", "members", "created_at")
    list_filter = ("state",)
    search_fields = ("slug", "name")
    search_help_text = "Slug or name"
    ordering = ("-id",)
    actions_detail = ("suspend", "resume")
    actions = ("suspend_selected",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change=change, form=TenantForm if obj else NewTenantForm, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("slug", "name", "owner_email")})]
        facts = (None, {"fields": ("slug", "name", "state", "id", "created_at", "updated_at")})
        share = ("Share where several wait", {"fields": SHARE})
        return [facts, share, ("Limits of all its keys and people together", {"fields": FIGURES})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("slug", "state", "id", "created_at", "updated_at") if obj else ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        return super().get_queryset(request).annotate(member_count=how_many(Membership, "tenant"))

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """All that happened inside the tenant, where the operator may read that."""
        if not request.user.has_perm("tenants.view_auditevent"):
            return super().history_view(request, object_id, extra_context)
        return redirect(list_address(AuditEvent, tenant__id__exact=unquote(object_id)))

    @display(description="State", ordering="state", label={"active": "success", "suspended": "danger"})
    def shown_state(self, tenant: Tenant) -> str:
        return tenant.state

    @display(description="Members", ordering="member_count")
    def members(self, tenant: Any) -> int:
        return int(tenant.member_count)

    # --- Acts ---

    def has_suspend_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self.may(request, "change") and self.row_is(object_id, Tenant.State.ACTIVE)

    def has_resume_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self.may(request, "change") and self.row_is(object_id, Tenant.State.SUSPENDED)

    @act(
        "Suspend",
        right="suspend",
        icon="pause",
        variant=ActionVariant.DANGER,
        explains="Its people and keys are refused at once, on both planes. Nothing is deleted; you can resume it.",
    )
    def suspend(self, request: HttpRequest, tenant: Tenant, form: Any) -> str:
        suspend_tenant(tenant, by=acting(request))
        return f"{tenant} is suspended."

    @act("Resume", right="resume", icon="play_arrow", explains="Its people and keys are let in again.")
    def resume(self, request: HttpRequest, tenant: Tenant, form: Any) -> str:
        resume_tenant(tenant, by=acting(request))
        return f"{tenant} is active again."

    @admin.action(description="Suspend", permissions=["suspend"])
    def suspend_selected(self, request: HttpRequest, tenants: QuerySet[Tenant]) -> None:
        by = acting(request)
        self.each(request, tenants, lambda tenant: suspend_tenant(tenant, by=by), "suspended")
