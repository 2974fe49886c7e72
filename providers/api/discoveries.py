"""What a server serves: listings, the last one with its age, and their import as model entries."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from providers.api.base import ProvidersView, by_choice
from providers.api.discovery_shape import DiscoveredShape, DiscoveryShape, ImportShape
from providers.discovery import last_result, queue_discovery
from providers.model_imports import Import, Wanted, import_models
from providers.models import Discovery, ModelEntry, ModelType, Provider
from tenants.api.fields import ChoiceField, FlagField, StrictSerializer, TextField
from tenants.api.schema import PAGING, page_shape
from tenants.problems import FieldError, invalid

MAX_IMPORTED = 1000
_STATE = OpenApiParameter("state", str, description="One or more states, separated by commas.")
_ALL = OpenApiExample("All, to look first", value={"all": True, "dry_run": True}, request_only=True)
_SOME = OpenApiExample(
    "Two models, one under another name",
    value={
        "models": [
            {"upstream_name": "gpt-3.5-turbo"},
            {"upstream_name": "all-minilm", "name": "text-embedding-ada-002", "type": "text-embedding"},
        ]
    },
    request_only=True,
)


class WantedModel(StrictSerializer):
    upstream_name = TextField(max_length=255, trim_whitespace=False)
    name = TextField(max_length=255, required=False)
    type = ChoiceField(ModelType.choices, required=False)


class NewImport(StrictSerializer):
    """Either `models` or `all`."""

    models = serializers.ListField(child=WantedModel(), required=False, min_length=1, max_length=MAX_IMPORTED)
    all = FlagField(required=False, default=False)
    dry_run = FlagField(required=False, default=False)


class DiscoveryView(ProvidersView):
    tag = "discovery"


class DiscoveredModelsView(DiscoveryView):
    scopes = {"GET": "models:read"}

    @extend_schema(operation_id="discovered_models_retrieve", responses=DiscoveredShape)
    def get(self, request: Request, tenant: str, provider: str) -> Response:
        """What the provider's server listed last, how long ago, and which of it is imported."""
        row = self.provider(provider)
        last = last_result(row)
        if last is None or last.finished_at is None:
            return self.shown(
                {"discovery": None, "discovered_at": None, "age_seconds": None, "models": [], "diff": None}
            )
        names = _names_by_upstream(row)
        return self.shown(
            {
                "discovery": last.id,
                "discovered_at": last.finished_at,
                "age_seconds": int((timezone.now() - last.finished_at).total_seconds()),
                "models": [{**model, "imported_as": names.get(model["upstream_name"], [])} for model in last.found],
                "diff": last.diff or None,
            }
        )


class DiscoveryListView(DiscoveryView):
    scopes = {"GET": "models:read", "POST": "models:write"}

    @extend_schema(operation_id="discoveries_list", parameters=[*PAGING, _STATE], responses=page_shape(DiscoveryShape))
    def get(self, request: Request, tenant: str, provider: str) -> Response:
        """The listings that are kept, newest first."""
        rows = Discovery.objects.for_tenant(self.tenant).filter(provider_id=self.provider(provider).id)
        rows = by_choice(rows, request, "state", Discovery.State.values)
        return self.page(rows, DiscoveryShape, orderings=("id", "created_at"))

    @extend_schema(operation_id="discoveries_create", request=None, responses={202: DiscoveryShape})
    def post(self, request: Request, tenant: str, provider: str) -> Response:
        """Have a worker ask the server for its models now."""
        self.read_nothing()
        row = self.provider(provider)
        made = queue_discovery(row, by=self.caller.actor)
        location = self.at("discovery", provider=row.id, discovery=made.id)
        return self.accepted(DiscoveryShape(made).data, location)


class OneDiscoveryView(DiscoveryView):
    scopes = {"GET": "models:read"}

    @extend_schema(operation_id="discoveries_retrieve", responses=DiscoveryShape)
    def get(self, request: Request, tenant: str, provider: str, discovery: str) -> Response:
        """One listing, with what changed since the one before."""
        rows = Discovery.objects.for_tenant(self.tenant).filter(provider_id=self.provider(provider).id)
        return self.shown(DiscoveryShape(self.get_or_404(rows, discovery)).data)


class ModelImportView(DiscoveryView):
    scopes = {"POST": "models:write"}

    @extend_schema(
        operation_id="model_imports_create", request=NewImport, responses={200: ImportShape}, examples=[_ALL, _SOME]
    )
    def post(self, request: Request, tenant: str, provider: str) -> Response:
        """Make model entries of what was listed last. Calls nothing; what cannot be imported is skipped with a code."""
        row = self.provider(provider)
        body = self.read(NewImport)
        wanted = _wanted(body)
        done = import_models(row, by=self.caller.actor, models=wanted, dry_run=body["dry_run"])
        return self.shown(_shown(done))


def _wanted(body: dict[str, Any]) -> list[Wanted] | None:
    if body["all"] == ("models" in body):
        message = "Send either `models`, or `all` as true."
        raise invalid([FieldError("models" if "models" in body else "all", "invalid", message)])
    return None if body["all"] else [Wanted(**model) for model in body["models"]]


def _shown(done: Import) -> dict[str, Any]:
    return {
        "created": [
            {
                "id": None if done.dry_run else entry.id,
                "name": entry.name,
                "type": entry.type,
                "upstream_name": entry.upstream_name,
                "context_size": entry.context_size,
                "features": entry.features,
            }
            for entry in done.created
        ],
        "skipped": [{"upstream_name": name, "code": code} for name, code in done.skipped],
        "dry_run": done.dry_run,
    }


def _names_by_upstream(provider: Provider) -> dict[str, list[str]]:
    rows = ModelEntry.objects.for_tenant(provider.tenant_id).filter(provider_id=provider.id).order_by("name")
    names: dict[str, list[str]] = {}
    for upstream_name, name in rows.values_list("upstream_name", "name"):
        names.setdefault(upstream_name, []).append(name)
    return names
