"""Egress grants: which private addresses may be dialled, by whom, until when. Given and withdrawn, never edited."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextInputWidget

from providers.admin.base import ProvidersAdmin, ProvidersForm
from providers.egress_grants import grant_egress, withdraw_egress
from providers.models import EgressGrant
from tenants.admin.acts import Gone, act
from tenants.admin.base import acting

GIVEN = ("tenant", "cidr", "port_from", "port_to", "max_concurrency", "reason", "expires_at")


class GrantForm(ProvidersForm):
    cidr = forms.CharField(
        label="Address or range",
        max_length=64,
        widget=UnfoldAdminTextInputWidget({"placeholder": "192.168.1.100/32"}),
        help_text="IPv4 or IPv6, such as 192.168.1.100, 10.0.8.0/24 or fd12:3456::/48.",
    )

    def carry_out(self) -> EgressGrant:
        values = self.cleaned_data
        return grant_egress(by=self.by, **{name: values[name] for name in GIVEN})


@admin.register(EgressGrant)
class EgressGrantAdmin(ProvidersAdmin):
    form = GrantForm
    list_display = ("cidr", "ports", "whose", "standing", "max_concurrency", "reason", "created_by", "created_at")
    list_filter = (("tenant", AutocompleteSelectFilter),)
    list_select_related = ("tenant",)
    search_fields = ("cidr", "reason", "tenant__slug")
    search_help_text = "Address, reason or tenant"
    ordering = ("-id",)
    autocomplete_fields = ("tenant",)
    list_before_template = "operators/egress_setting.html"
    fieldsets = (
        (
            "Where to",
            {
                "fields": ("cidr", "port_from", "port_to"),
                "description": "Private and loopback addresses are refused until an operator names them here, or in "
                "the setting EGRESS_ALLOW. Metadata services and other reserved ranges are never dialled.",
            },
        ),
        ("For whom", {"fields": ("tenant", "expires_at", "reason")}),
        ("Capacity", {"fields": ("max_concurrency",)}),
    )
    actions_detail = ("withdraw",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "egress_allow": settings.EGRESS_ALLOW})

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "tenant":
            field.help_text = "Empty: every tenant."
        return field

    def get_queryset(self, request: HttpRequest) -> QuerySet[EgressGrant]:
        return super().get_queryset(request).select_related("tenant")

    @display(description="Ports")
    def ports(self, grant: EgressGrant) -> str:
        return str(grant.port_from) if grant.port_from == grant.port_to else f"{grant.port_from}-{grant.port_to}"

    @display(description="For", ordering="tenant")
    def whose(self, grant: EgressGrant) -> str:
        return grant.tenant.slug if grant.tenant else "every tenant"

    @display(description="State", label={"in force": "success", "over": "default"})
    def standing(self, grant: EgressGrant) -> str:
        return "over" if grant.expires_at and grant.expires_at <= timezone.now() else "in force"

    @act(
        "Withdraw",
        right="remove",
        icon="remove_moderator",
        variant=ActionVariant.DANGER,
        explains="From now on the address is refused again, unless another grant or the setting allows it.",
    )
    def withdraw(self, request: HttpRequest, grant: EgressGrant, form: Any) -> Gone:
        withdraw_egress(grant, by=acting(request))
        return Gone(f"{grant.cidr} may no longer be dialled by {self.whose(grant)}.")
