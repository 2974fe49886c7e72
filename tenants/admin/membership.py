"""Memberships: who belongs to which tenant, and as what."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from tenants.admin.acts import Gone, act
from tenants.admin.base import VerbAdmin, VerbForm, acting
from tenants.members import add_member, change_role, remove_member
from tenants.models import Membership


class NewMembershipForm(VerbForm):
    def carry_out(self) -> Membership:
        values = self.cleaned_data
        return add_member(values["tenant"].id, values["user"], role=values["role"], by=self.by)


class MembershipForm(VerbForm):
    def carry_out(self) -> Membership:
        return change_role(self.row, role=self.cleaned_data["role"], by=self.by)


@admin.register(Membership)
class MembershipAdmin(VerbAdmin):
    list_display = ("user", "tenant", "shown_role", "created_at")
    list_filter = (("tenant", AutocompleteSelectFilter), "role")
    list_select_related = ("tenant", "user")
    search_fields = ("user__email", "tenant__slug")
    search_help_text = "Email address or tenant"
    ordering = ("-id",)
    autocomplete_fields = ("tenant", "user")
    fields = ("tenant", "user", "role")
    actions_detail = ("remove",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(
            request, obj, change=change, form=MembershipForm if obj else NewMembershipForm, **kwargs
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("tenant", "user") if obj else ()

    @display(description="Role", ordering="role", label={"owner": "warning", "admin": "info"})
    def shown_role(self, membership: Membership) -> str:
        return membership.role

    @act(
        "Remove",
        right="remove",
        icon="person_remove",
        variant=ActionVariant.DANGER,
        explains="The person loses access at once; keys they made stay, without any right. Their account remains.",
    )
    def remove(self, request: HttpRequest, membership: Membership, form: Any) -> Gone:
        remove_member(membership, by=acting(request))
        return Gone(f"{membership.user} is no longer a member of {membership.tenant}.")
