"""`{t}/invitations`, and `POST /api/v1/invitations/{token}/accept` for whom they were sent to."""

from __future__ import annotations

import hashlib
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api import schema
from tenants.api.base import ApiView, TenantView
from tenants.api.fields import ChoiceField, EmailField, NoFields, StrictSerializer
from tenants.api.me import OwnMembershipShape
from tenants.api.members import refuse_making_owners
from tenants.api.shapes import UserShape, role_choice
from tenants.invitations import accept, invite, withdraw
from tenants.models import Invitation, Role
from tenants.permissions import OWNER, ROLE_SCOPES, in_order
from tenants.problems import Problem


class InvitationShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.EmailField()
    role = role_choice()
    invited_by = UserShape(allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True, help_text="When the mail server took the email.")
    expires_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Invitation"


class InvitationCreation(StrictSerializer):
    email = EmailField(help_text="Of anybody, with an account or without.")
    role = ChoiceField(choices=Role.choices, default=Role.MEMBER)


JO = OpenApiExample("jo", {"email": "jo@acme.example", "role": "member"}, request_only=True)


class InvitationsView(TenantView):
    tag = "invitations"
    scopes = {"GET": "admin", "POST": "admin"}

    @extend_schema(
        operation_id="invitations_list",
        parameters=schema.PAGING,
        responses=schema.page_shape(InvitationShape),
        summary="Who was invited and has not come yet",
    )
    def get(self, request: Request, tenant: str) -> Response:
        return self.page(_open(self), InvitationShape, orderings=("email", "expires_at", "created_at"))

    @extend_schema(
        operation_id="invitations_create",
        request=InvitationCreation,
        responses={201: InvitationShape},
        examples=[JO],
        summary="Invite somebody by email",
    )
    def post(self, request: Request, tenant: str) -> Response:
        """The email goes out after this answer; `sent_at` is null until the mail server has taken it. An invitation
        is worth what its sender may do when it is accepted."""
        body = self.read(InvitationCreation)
        refuse_making_owners(self.caller, body["role"])
        own = self.principal.api_key
        invitation = invite(
            tenant_id=self.caller.tenant_id,
            email=body["email"],
            role=body["role"],
            by=self.caller.actor,
            inviter=own.created_by if own else self.principal.user,
            acts_as_owner=own.acts_as_owner if own else False,
        )
        location = reverse("invitation", args=[tenant, invitation.id])
        return self.created(InvitationShape(invitation).data, location, version=invitation.version)


class InvitationView(TenantView):
    tag = "invitations"
    scopes = {"GET": "admin", "DELETE": "admin"}

    @extend_schema(operation_id="invitations_retrieve", responses=InvitationShape, summary="One invitation")
    def get(self, request: Request, tenant: str, invitation: str) -> Response:
        row: Invitation = self.get_or_404(_open(self), invitation)
        return self.shown(InvitationShape(row).data, version=row.version)

    @extend_schema(
        operation_id="invitations_delete", request=None, responses={204: None}, summary="Withdraw an invitation"
    )
    def delete(self, request: Request, tenant: str, invitation: str) -> Response:
        row: Invitation = self.get_or_404(_open(self), invitation)
        self.check_if_match(row)
        if row.role == OWNER:
            self.caller.require_owner()
        withdraw(row, by=self.caller.actor)
        return self.no_content()


class InvitationAcceptView(ApiView):
    tag = "invitations"

    def idempotency_route(self, request: Request) -> str:
        """Without the token: that is stored nowhere."""
        digest = hashlib.sha256(request.path.encode()).hexdigest()
        return f"/api/v1/invitations/{digest}/accept"

    @extend_schema(
        operation_id="invitations_accept",
        request=NoFields,
        responses={201: OwnMembershipShape, 404: schema.ProblemShape},
        summary="Join the tenant one was invited to",
    )
    def post(self, request: Request, token: str) -> Response:
        """For the logged-in person to whose verified address the invitation was sent. It works once."""
        if self.principal.user is None:
            raise Problem("person_required")
        self.read_nothing()
        membership = accept(token, self.principal.user)
        self.tenant_id = membership.tenant_id
        permissions = in_order(ROLE_SCOPES[membership.role])
        shown = {"tenant": membership.tenant, "role": membership.role, "permissions": permissions}
        return self.created(OwnMembershipShape(shown).data, reverse("tenant", args=[membership.tenant.slug]))


def _open(view: TenantView) -> QuerySet[Invitation]:
    return Invitation.objects.for_tenant(view.caller.tenant_id).select_related("invited_by")
