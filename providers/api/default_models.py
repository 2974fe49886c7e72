"""The tenant's default model of each type: what `"model": "default"`, or none, means in a call."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from providers.api.base import ProvidersView
from providers.api.inputs import IdField
from providers.model_entries import default_models, set_default_models
from providers.models import ModelType
from tenants.api.fields import StrictSerializer

_EXAMPLE = OpenApiExample(
    "One set, one cleared", value={"llm": "0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234", "rerank": None}, request_only=True
)


class DefaultModelsShape(serializers.Serializer[Any]):
    """The id of a model per type, or null."""

    class Meta:
        ref_name = "DefaultModels"

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {model_type: serializers.UUIDField(allow_null=True) for model_type in ModelType.values}


class DefaultModelChanges(StrictSerializer):
    """Types that are left out stay as they are."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {model_type: IdField(allow_null=True, required=False) for model_type in ModelType.values}


class DefaultModelsView(ProvidersView):
    tag = "default-models"
    scopes = {"GET": "models:read", "PATCH": "models:write"}

    @extend_schema(operation_id="default_models_retrieve", responses=DefaultModelsShape)
    def get(self, request: Request, tenant: str) -> Response:
        """The default of each type. Reading never chooses one."""
        return self.shown(default_models(self.tenant))

    @extend_schema(
        operation_id="default_models_update",
        request=DefaultModelChanges,
        responses=DefaultModelsShape,
        examples=[_EXAMPLE],
    )
    def patch(self, request: Request, tenant: str) -> Response:
        """Set or clear (null) defaults, all of them or none."""
        changes = self.read(DefaultModelChanges, partial=True)
        return self.shown(set_default_models(tenant_id=self.tenant, by=self.caller.actor, changes=changes))
