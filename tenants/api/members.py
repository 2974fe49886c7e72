"""`{t}/members`: who belongs to the tenant. An admin manages everybody but owners."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api import schema
from tenants.api.base import TenantView
from tenants.api.fields import ChoiceField, EmailField, StrictSerializer
from tenants.api.shapes import UserShape, role_choice
from tenants.authentication import Caller
from tenants.members import add_member, change_role, has_owner, lock_members, refuse_losing_last_owner, remove_member
from tenants.models import Membership, Role, User
from tenants.permissions import OWNER
from tenants.problems import FieldError, Problem


class MemberShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    user = UserShape()
    role = role_choice()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Member"


class MemberCreation(StrictSerializer):
    email = EmailField(help_text="Of somebody who has an account.")
    role = ChoiceField(choices=Role.choices, default=Role.MEMBER)


class MemberChange(StrictSerializer):
    role = ChoiceField(choices=Role.choices)


JO = OpenApiExample("jo", {"email": "jo@acme.example", "role": "member"}, request_only=True)


class MembersView(TenantView):
    tag = "members"
    scopes = {"GET": "admin", "POST": "admin"}

    @extend_schema(
        operation_id="members_list",
        parameters=schema.PAGING,
        responses=schema.page_shape(MemberShape),
        summary="Who belongs to the tenant",
    )
    def get(self, request: Request, tenant: str) -> Response:
        members = Membership.objects.for_tenant(self.caller.tenant_id).select_related("user")
        return self.page(members, MemberShape, orderings=("role", "created_at"))

    @extend_schema(
        operation_id="members_create",
        request=MemberCreation,
        responses={201: MemberShape},
        examples=[JO],
        summary="Add somebody to the tenant",
    )
    def post(self, request: Request, tenant: str) -> Response:
        body = self.read(MemberCreation)
        refuse_making_owners(self.caller, body["role"])
        member = add_member(self.caller.tenant_id, _account_of(body["email"]), role=body["role"], by=self.caller.actor)
        location = reverse("member", args=[tenant, member.id])
        return self.created(MemberShape(member).data, location, version=member.version)


class MemberView(TenantView):
    tag = "members"
    scopes = {"GET": "admin", "PATCH": "admin", "DELETE": "admin"}

    @extend_schema(operation_id="members_retrieve", responses=MemberShape, summary="One member")
    def get(self, request: Request, tenant: str, member: str) -> Response:
        row = self._find(member)
        return self.shown(MemberShape(row).data, version=row.version)

    @extend_schema(
        operation_id="members_update", request=MemberChange, responses=MemberShape, summary="Change a member's role"
    )
    def patch(self, request: Request, tenant: str, member: str) -> Response:
        role = self.read(MemberChange)["role"]
        with transaction.atomic():
            row = self._locked(member)
            if role != row.role:
                self._may_touch(row, also=role)
                change_role(row, role=role, by=self.caller.actor)
        return self.shown(MemberShape(row).data, version=row.version)

    @extend_schema(operation_id="members_delete", request=None, responses={204: None}, summary="Remove a member")
    def delete(self, request: Request, tenant: str, member: str) -> Response:
        with transaction.atomic():
            row = self._locked(member)
            self._may_touch(row)
            remove_member(row, by=self.caller.actor)
        return self.no_content()

    def _find(self, member: str) -> Membership:
        members: QuerySet[Membership] = Membership.objects.for_tenant(self.caller.tenant_id).select_related("user")
        return self.get_or_404(members, member)

    def _locked(self, member: str) -> Membership:
        lock_members(self.caller.tenant_id)
        row: Membership = self._find(member)
        self.check_if_match(row)
        return row

    def _may_touch(self, row: Membership, *, also: str = "") -> None:
        """Owners are made and unmade by owners, as persons; the last one by nobody."""
        if OWNER not in (row.role, also):
            return
        self.caller.require_owner()
        refuse_losing_last_owner(row)
        self.caller.require_person()


def refuse_making_owners(caller: Caller, role: str) -> None:
    """Owners are made by owners, as persons. A key may name the first one only: else a leaked one takes all."""
    if role != OWNER:
        return
    caller.require_owner()
    if has_owner(caller.tenant_id):
        caller.require_person()


def _account_of(email: str) -> User:
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        raise Problem("person_unknown", errors=[FieldError("email", "person_unknown", "No account has this email.")])
    return user
