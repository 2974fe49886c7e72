"""Providers: `/providers` and `/providers/{provider}`. No call here ever reaches a model server."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from providers import registration
from providers.api.base import ProvidersView, by_choice, by_flag, by_text
from providers.api.impact_shape import ImpactAnswerShape
from providers.api.inputs import ObjectField, SecretsField
from providers.api.provider_shape import ProviderShape, with_facts
from providers.kinds import KINDS
from providers.models import Provider
from tenants.api.fields import FlagField, StrictSerializer, TextField
from tenants.api.schema import CASCADE, DRY_RUN, PAGING, page_shape

_FILTERS = [
    OpenApiParameter("kind", str, description="One or more kinds, separated by commas."),
    OpenApiParameter("state", str, description="One or more states, separated by commas."),
    OpenApiParameter("enabled", bool),
    OpenApiParameter("search", str, description="Part of the name."),
]
_EXAMPLE = OpenApiExample(
    "LocalAI with a key",
    value={
        "kind": "localai",
        "name": "gpu-box",
        "base_url": "http://192.168.1.100:8080",
        "credentials": {"api_key": "sk-local-0123456789abcdef"},
        "settings": {"max_concurrency": 2},
    },
    request_only=True,
)
_ORDERINGS = ("id", "name", "kind", "state", "created_at", "updated_at")


class NewProvider(StrictSerializer):
    kind = TextField(max_length=32)
    name = TextField(max_length=100)
    base_url = TextField(max_length=2048)
    credentials = SecretsField(required=False, default=dict)
    settings = ObjectField(required=False, default=dict)


class ProviderChanges(StrictSerializer):
    """What is left out stays. `settings` and `credentials` are merged key by key."""

    name = TextField(max_length=100, required=False)
    base_url = TextField(max_length=2048, required=False)
    credentials = SecretsField(required=False)
    settings = ObjectField(required=False)
    enabled = FlagField(required=False)


class OneProviderView(ProvidersView):
    tag = "providers"

    def show(self, provider: Provider) -> Any:
        rows = with_facts(Provider.objects.for_tenant(self.tenant).filter(id=provider.id), self.tenant)
        return ProviderShape(rows.get()).data


class ProviderListView(OneProviderView):
    scopes = {"GET": "providers:read", "POST": "providers:write"}

    @extend_schema(operation_id="providers_list", parameters=[*PAGING, *_FILTERS], responses=page_shape(ProviderShape))
    def get(self, request: Request, tenant: str) -> Response:
        """The tenant's providers with their last known state; newest first."""
        rows = Provider.objects.for_tenant(self.tenant)
        rows = by_choice(rows, request, "kind", list(KINDS))
        rows = by_choice(rows, request, "state", Provider.State.values)
        rows = by_text(by_flag(rows, request, "enabled"), request, "search", "name")
        return self.page(with_facts(rows, self.tenant), ProviderShape, orderings=_ORDERINGS)

    @extend_schema(
        operation_id="providers_create", request=NewProvider, responses={201: ProviderShape}, examples=[_EXAMPLE]
    )
    def post(self, request: Request, tenant: str) -> Response:
        """Register a provider. It is `unverified` until the validation in `last_validation` has run."""
        body = self.read(NewProvider)
        if body["credentials"]:
            self.caller.require("creds:write")
        provider = registration.register_provider(tenant_id=self.tenant, by=self.caller.actor, **body)
        return self.created(self.show(provider), self.at("provider", provider=provider.id), version=provider.version)


class ProviderView(OneProviderView):
    scopes = {"GET": "providers:read", "PATCH": "providers:write", "DELETE": "providers:write"}

    @extend_schema(operation_id="providers_retrieve", responses=ProviderShape)
    def get(self, request: Request, tenant: str, provider: str) -> Response:
        """One provider with its last known state."""
        row = self.provider(provider)
        return self.shown(self.show(row), version=row.version)

    @extend_schema(operation_id="providers_update", request=ProviderChanges, responses=ProviderShape)
    def patch(self, request: Request, tenant: str, provider: str) -> Response:
        """Change a provider. Another address, other secrets or another way to reach it start a new validation."""
        body = self.read(ProviderChanges, partial=True)
        if body.get("credentials"):
            self.caller.require("creds:write")
        with self.changing(provider) as row:
            self.check_if_match(row)
            registration.change_provider(row, by=self.caller.actor, changes=body)
        return self.shown(self.show(row), version=row.version)

    @extend_schema(
        operation_id="providers_delete",
        parameters=[DRY_RUN, CASCADE],
        responses={200: ImpactAnswerShape, 204: OpenApiResponse(description="Gone.")},
    )
    def delete(self, request: Request, tenant: str, provider: str) -> Response:
        """Remove a provider with its credentials and history; with `cascade` also its models and open jobs."""
        with self.changing(provider) as row:
            self.check_if_match(row)
            if self.flag("dry_run"):
                return self.shown({"impact": registration.impact_of(row)})
            registration.delete_provider(row, by=self.caller.actor, cascade=self.flag("cascade"))
        return self.no_content()


class ProviderSwitchView(OneProviderView):
    scopes = {"POST": "providers:write"}
    is_on: bool = True

    def post(self, request: Request, tenant: str, provider: str) -> Response:
        self.read_nothing()
        row = registration.set_enabled(self.provider(provider), self.is_on, by=self.caller.actor)
        return self.shown(self.show(row), version=row.version)


class ProviderEnableView(ProviderSwitchView):
    @extend_schema(operation_id="providers_enable", request=None, responses=ProviderShape)
    def post(self, request: Request, tenant: str, provider: str) -> Response:
        """Let calls and jobs be dispatched to it."""
        return super().post(request, tenant, provider)


class ProviderDisableView(ProviderSwitchView):
    is_on = False

    @extend_schema(operation_id="providers_disable", request=None, responses=ProviderShape)
    def post(self, request: Request, tenant: str, provider: str) -> Response:
        """Dispatch nothing to it until it is enabled again."""
        return super().post(request, tenant, provider)
