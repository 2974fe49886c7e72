"""`/api/v1/tenants` and `/api/v1/tenants/{tenant}`."""

from __future__ import annotations

import re
from typing import Any

from django.db import transaction
from django.db.models import CharField, OuterRef, QuerySet, Subquery, Value
from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api import schema
from tenants.api.base import MEMBERSHIP, ApiView, TenantView
from tenants.api.fields import StrictSerializer, TextField
from tenants.api.shapes import RateLimitsShape
from tenants.authentication import Principal
from tenants.deletion import delete_tenant, impact_of
from tenants.models import Membership, Tenant
from tenants.models.tenant import SLUG_PATTERN
from tenants.problems import Problem
from tenants.registration import change_tenant, create_tenant, may_create_tenants


class TenantShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=Tenant.State.choices)
    role = serializers.CharField(help_text="The caller's role here.")
    rate_limits = RateLimitsShape(help_text="Set by the operator, for all keys and people of the tenant together.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Tenant"


class SlugField(TextField):
    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=63, trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        slug = super().to_internal_value(data)
        if not re.fullmatch(SLUG_PATTERN, slug):
            raise serializers.ValidationError("Lower-case letters, digits and hyphens, no hyphen at either end.")
        return slug


class TenantCreation(StrictSerializer):
    slug = SlugField(help_text="Lower-case letters, digits and hyphens; part of every address.")
    name = TextField(max_length=150, required=False)


class TenantChange(StrictSerializer):
    name = TextField(max_length=150, required=False)


class ImpactShape(serializers.Serializer[Any]):
    impact = serializers.DictField(help_text="What would go, by kind: names or counts.")

    class Meta:
        ref_name = "Impact"


ACME = OpenApiExample("acme", {"slug": "acme", "name": "Acme"}, request_only=True)


class TenantsView(ApiView):
    tag = "tenants"

    @extend_schema(
        operation_id="tenants_list",
        parameters=schema.PAGING,
        responses=schema.page_shape(TenantShape),
        summary="The caller's tenants",
    )
    def get(self, request: Request) -> Response:
        return self.page(_tenants_of(self.principal), TenantShape, orderings=("slug", "name", "created_at"))

    @extend_schema(
        operation_id="tenants_create",
        request=TenantCreation,
        responses={201: TenantShape},
        examples=[ACME],
        summary="Found a tenant, and own it",
    )
    def post(self, request: Request) -> Response:
        user = self.principal.user
        if user is None:
            raise Problem("person_required")
        if not may_create_tenants(user):
            raise Problem("staff_required")
        body = self.read(TenantCreation)
        tenant = create_tenant(body["slug"], body.get("name", ""), by=self.principal.actor, owner=user)
        self.tenant_id = tenant.id
        shown = TenantShape(_tenants_of(self.principal).get(pk=tenant.pk)).data
        return self.created(shown, reverse("tenant", args=[tenant.slug]), version=tenant.version)


class TenantDetailView(TenantView):
    tag = "tenants"
    scopes = {"GET": MEMBERSHIP, "PATCH": "admin", "DELETE": MEMBERSHIP}  # DELETE: the owner, as a person

    @extend_schema(operation_id="tenants_retrieve", responses=TenantShape, summary="One tenant")
    def get(self, request: Request, tenant: str) -> Response:
        return self._shown(self._mine().get())

    @extend_schema(
        operation_id="tenants_update", request=TenantChange, responses=TenantShape, summary="Rename a tenant"
    )
    def patch(self, request: Request, tenant: str) -> Response:
        body = self.read(TenantChange)
        with transaction.atomic():
            row = Tenant.objects.select_for_update(no_key=True).get(pk=self.caller.tenant_id)
            self.check_if_match(row)
            change_tenant(row, by=self.caller.actor, changes=body)
        return self._shown(self._mine().get())

    @extend_schema(
        operation_id="tenants_delete",
        parameters=[schema.DRY_RUN, schema.CASCADE],
        request=None,
        responses={204: None, 200: ImpactShape},
        summary="Delete a tenant and all it owns",
    )
    def delete(self, request: Request, tenant: str) -> Response:
        self.caller.require_owner()
        self.caller.require_person()
        is_rehearsal, cascade = self.flag("dry_run"), self.flag("cascade")
        with transaction.atomic():
            row = Tenant.objects.select_for_update().get(pk=self.caller.tenant_id)
            self.check_if_match(row)
            if is_rehearsal:
                return Response({"impact": impact_of(row)})
            delete_tenant(row, by=self.caller.actor, cascade=cascade)
        return self.no_content()

    def _mine(self) -> QuerySet[Tenant]:
        return _tenants_of(self.principal).filter(pk=self.caller.tenant_id)

    def _shown(self, tenant: Tenant) -> Response:
        return self.shown(TenantShape(tenant).data, version=tenant.version)


def _tenants_of(principal: Principal) -> QuerySet[Tenant]:
    """The principal's tenants, each with its role there."""
    if principal.api_key is not None:
        role = Value(principal.key_role, output_field=CharField())
        return Tenant.objects.filter(pk=principal.api_key.tenant_id).annotate(role=role)
    mine = Membership.unscoped.filter(tenant=OuterRef("pk"), user=principal.user).values("role")[:1]
    return Tenant.objects.filter(pk__in=_ids_of(principal)).annotate(role=Subquery(mine))


def _ids_of(principal: Principal) -> QuerySet[Membership, Any]:
    return Membership.unscoped.filter(user=principal.user).values("tenant_id")
