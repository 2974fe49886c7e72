"""`{t}/api-keys`: bearer keys of the tenant. The key itself is in the answer to its creation, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api import schema
from tenants.api.base import TenantView
from tenants.api.fields import ChoiceField, MomentField, NetworkField, StrictSerializer, TextField, WholeNumberField
from tenants.api.shapes import RateLimitsShape, UserShape, scope_list
from tenants.key_limits import Limits, narrowed, of_key
from tenants.keys import change_key, create_key, revoke_key
from tenants.models import ApiKey
from tenants.permissions import SCOPES, default_scopes
from tenants.rate_limits import MOST_A_MINUTE, MOST_STREAMS
from tenants.tokens import PREFIX


class ApiKeyShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.SerializerMethodField()
    last4 = serializers.CharField()
    scopes = scope_list()
    allowed_models = serializers.ListField(child=serializers.CharField(), allow_null=True)
    allowed_cidrs = serializers.ListField(child=serializers.CharField(), allow_null=True)
    rate_limits = RateLimitsShape()
    expires_at = serializers.DateTimeField(allow_null=True)
    former_until = serializers.DateTimeField(
        allow_null=True, help_text="Until then the secret before the last rotation works too."
    )
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    acts_as_owner = serializers.BooleanField(help_text="An operator made it: its rights follow nobody's role.")
    created_by = UserShape(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    class Meta:
        ref_name = "ApiKey"

    def get_prefix(self, api_key: ApiKey) -> str:
        return f"{PREFIX}{api_key.key_id}"


class NewApiKeyShape(ApiKeyShape):
    key = serializers.CharField(help_text="The key itself. It is shown this once.")

    class Meta:
        ref_name = "NewApiKey"


class RateLimitsChange(StrictSerializer):
    requests_per_minute = WholeNumberField(min_value=1, max_value=MOST_A_MINUTE, allow_null=True, required=False)
    tokens_per_minute = WholeNumberField(min_value=1, max_value=MOST_A_MINUTE, allow_null=True, required=False)
    concurrent_streams = WholeNumberField(min_value=1, max_value=MOST_STREAMS, allow_null=True, required=False)


class ApiKeyChange(StrictSerializer):
    name = TextField(max_length=100)
    scopes = serializers.ListField(child=ChoiceField(choices=SCOPES), allow_empty=False, max_length=50, required=False)
    expires_at = MomentField(allow_null=True, required=False)
    allowed_models = serializers.ListField(
        child=TextField(max_length=255), allow_null=True, required=False, max_length=1000
    )
    allowed_cidrs = serializers.ListField(
        child=NetworkField(), allow_null=True, allow_empty=False, required=False, max_length=100
    )
    rate_limits = RateLimitsChange(
        required=False,
        help_text="For the key alone; the tenant's own count beside them. Left out: as before. `null`: no limit.",
    )

    def validate_expires_at(self, moment: datetime | None) -> datetime | None:
        if moment is not None and moment <= timezone.now():
            raise serializers.ValidationError("This time has passed.", code="in_the_past")
        return moment


class ApiKeyCreation(ApiKeyChange):
    """A body of its own in the document: here `name` is required."""


CI = OpenApiExample(
    "ci",
    {
        "name": "ci",
        "scopes": ["infer", "jobs:read", "jobs:write"],
        "expires_at": None,
        "rate_limits": {"requests_per_minute": 600, "tokens_per_minute": 200_000, "concurrent_streams": 8},
    },
    request_only=True,
)


class ApiKeysView(TenantView):
    tag = "api keys"
    scopes = {"GET": "admin", "POST": "admin"}

    @extend_schema(
        operation_id="api_keys_list",
        parameters=schema.PAGING,
        responses=schema.page_shape(ApiKeyShape),
        summary="The keys that are not revoked",
    )
    def get(self, request: Request, tenant: str) -> Response:
        return self.page(live_in_tenant(self), ApiKeyShape, orderings=("name", "created_at"))

    @extend_schema(
        operation_id="api_keys_create",
        request=ApiKeyCreation,
        responses={201: NewApiKeyShape},
        examples=[CI],
        summary="Make a key",
    )
    def post(self, request: Request, tenant: str) -> Response:
        body = self.read(ApiKeyCreation)
        maker = makers_limits(self)
        own = self.principal.api_key
        offered = maker.scopes & frozenset(default_scopes(self.caller.role))
        api_key, text = create_key(
            tenant_id=self.caller.tenant_id,
            name=body["name"],
            limits=narrowed(_wanted(body, Limits(offered)), maker),
            by=self.caller.actor,
            creator=own.created_by if own else self.principal.user,
            acts_as_owner=own.acts_as_owner if own else False,
        )
        shown = {**ApiKeyShape(api_key).data, "key": text}
        return self.created(shown, reverse("api_key", args=[tenant, api_key.id]), version=api_key.version)


class ApiKeyView(TenantView):
    tag = "api keys"
    scopes = {"GET": "admin", "PATCH": "admin", "DELETE": "admin"}

    @extend_schema(operation_id="api_keys_retrieve", responses=ApiKeyShape, summary="One key, without the key itself")
    def get(self, request: Request, tenant: str, api_key: str) -> Response:
        return self._shown(self.get_or_404(live_in_tenant(self), api_key))

    @extend_schema(
        operation_id="api_keys_update", request=ApiKeyChange, responses=ApiKeyShape, summary="Change a key's limits"
    )
    def patch(self, request: Request, tenant: str, api_key: str) -> Response:
        body = self.read(ApiKeyChange, partial=True)
        with transaction.atomic():
            row = self._locked(api_key)
            limits = stored_limits(row)
            wanted = _wanted(body, limits)
            if wanted != limits:
                wanted = narrowed(wanted, makers_limits(self))
            change_key(row, name=body.get("name", row.name), limits=wanted, by=self.caller.actor)
        return self._shown(row)

    @extend_schema(operation_id="api_keys_delete", request=None, responses={204: None}, summary="Revoke a key")
    def delete(self, request: Request, tenant: str, api_key: str) -> Response:
        with transaction.atomic():
            revoke_key(self._locked(api_key), by=self.caller.actor)
        return self.no_content()

    def _locked(self, api_key: str) -> ApiKey:
        row = self.get_or_404(live_in_tenant(self).select_for_update(of=("self",)), api_key)
        self.check_if_match(row)
        return row

    def _shown(self, api_key: ApiKey) -> Response:
        return self.shown(ApiKeyShape(api_key).data, version=api_key.version)


def live_in_tenant(view: TenantView) -> QuerySet[ApiKey]:
    keys = ApiKey.objects.for_tenant(view.caller.tenant_id)
    return keys.filter(revoked_at__isnull=True).select_related("created_by")


def makers_limits(view: TenantView) -> Limits:
    own = view.principal.api_key
    return of_key(own, view.principal.key_role) if own else Limits(view.caller.scopes)


def stored_limits(api_key: ApiKey) -> Limits:
    models, cidrs = api_key.allowed_models, api_key.allowed_cidrs
    return Limits(
        frozenset(api_key.scopes),
        None if models is None else frozenset(models),
        None if cidrs is None else tuple(cidrs),
        api_key.expires_at,
        api_key.rate_limits,
    )


def _wanted(body: Mapping[str, Any], otherwise: Limits) -> Limits:
    """The limits that the body asks for; what it leaves out stays as in `otherwise`."""
    models = body.get("allowed_models", otherwise.allowed_models)
    cidrs = body.get("allowed_cidrs", otherwise.allowed_cidrs)
    return Limits(
        frozenset(body.get("scopes", otherwise.scopes)),
        None if models is None else frozenset(models),
        None if cidrs is None else tuple(cidrs),
        body.get("expires_at", otherwise.expires_at),
        replace(otherwise.rate_limits, **body.get("rate_limits", {})),
    )
