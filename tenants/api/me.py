"""`GET /api/v1/me`: who is asking, and what they may do where."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api.base import ApiView
from tenants.api.shapes import UserShape, scope_list
from tenants.authentication import Principal, key_scopes
from tenants.models import ApiKey, Membership, Tenant
from tenants.permissions import ROLE_SCOPES, in_order
from tenants.registration import may_create_tenants
from tenants.tokens import PREFIX


class OwnTenantShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=Tenant.State.choices)

    class Meta:
        ref_name = "OwnTenant"


class OwnMembershipShape(serializers.Serializer[Any]):
    tenant = OwnTenantShape()
    role = serializers.CharField(help_text="viewer, member, admin or owner; empty for a key whose creator has left.")
    permissions = scope_list(help_text="The scopes that hold now.")

    class Meta:
        ref_name = "OwnMembership"


class OwnKeyShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    last4 = serializers.CharField()
    allowed_models = serializers.ListField(child=serializers.CharField(), allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        ref_name = "OwnKey"


class MeShape(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["user", "api_key"])
    user = UserShape(allow_null=True)
    api_key = OwnKeyShape(allow_null=True)
    can_create_tenants = serializers.BooleanField()
    memberships = OwnMembershipShape(many=True)

    class Meta:
        ref_name = "Me"


class MeView(ApiView):
    tag = "me"

    @extend_schema(operation_id="me_retrieve", responses=MeShape, summary="Who is asking, and what they may do")
    def get(self, request: Request) -> Response:
        return Response(MeShape(_me(self.principal)).data)


def _me(principal: Principal) -> dict[str, Any]:
    user, api_key = principal.user, principal.api_key
    return {
        "kind": principal.actor.kind,
        "user": user,
        "api_key": _key(api_key) if api_key else None,
        "can_create_tenants": user is not None and may_create_tenants(user),
        "memberships": _memberships(principal),
    }


def _key(api_key: ApiKey) -> dict[str, Any]:
    return {
        "id": api_key.id,
        "name": api_key.name,
        "prefix": f"{PREFIX}{api_key.key_id}",
        "last4": api_key.last4,
        "allowed_models": api_key.allowed_models,
        "expires_at": api_key.expires_at,
    }


def _memberships(principal: Principal) -> list[dict[str, Any]]:
    if principal.api_key is not None:
        permissions = in_order(key_scopes(principal))
        return [{"tenant": principal.api_key.tenant, "role": principal.key_role, "permissions": permissions}]
    mine = Membership.unscoped.filter(user=principal.user).select_related("tenant").order_by("tenant__slug")
    return [
        {"tenant": membership.tenant, "role": membership.role, "permissions": in_order(ROLE_SCOPES[membership.role])}
        for membership in mine
    ]
