"""A model entry as clients see it, and the rules of its parameters."""

from __future__ import annotations

import statistics
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from providers.kinds.forms import TIMEOUTS
from providers.model_entries import MODES
from providers.models import ModelEntry, ModelType
from providers.parameter_rules import PARAMETER_TYPES
from providers.validation.model_health import HEALTH_STATES


class ModelHealthShape(serializers.Serializer[Any]):
    """What validations of level infer have found. `p50_ms` is the median of the last calls that went well."""

    state = serializers.ChoiceField(HEALTH_STATES)
    code = serializers.CharField(allow_null=True, help_text="Why the last call failed; null when it went well.")
    p50_ms = serializers.IntegerField(allow_null=True)
    checked_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        ref_name = "ModelHealth"


class ModelSettingsShape(serializers.Serializer[Any]):
    """Deadlines of its own, in place of the provider's; null: the provider's."""

    connect_timeout_seconds = serializers.FloatField(allow_null=True)
    first_token_timeout_seconds = serializers.FloatField(allow_null=True)
    idle_timeout_seconds = serializers.FloatField(allow_null=True)
    total_timeout_seconds = serializers.FloatField(allow_null=True)

    class Meta:
        ref_name = "ModelSettings"


class ModelShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    type = serializers.ChoiceField(ModelType.choices)
    provider = serializers.UUIDField(source="provider_id")
    upstream_name = serializers.CharField()
    enabled = serializers.BooleanField()
    mode = serializers.ChoiceField(MODES, allow_null=True)
    context_size = serializers.IntegerField(allow_null=True)
    max_output_tokens = serializers.IntegerField(allow_null=True)
    dimensions = serializers.IntegerField(allow_null=True)
    features = serializers.ListField(child=serializers.CharField())
    parameters = serializers.DictField(help_text="Sent with each call that does not set them itself.")
    settings = serializers.SerializerMethodField()
    pricing = serializers.DictField(allow_null=True)
    capability_source = serializers.DictField(
        child=serializers.ChoiceField(["declared", "probed"]), help_text="Who said so: a person, or the server."
    )
    health = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Model"

    @extend_schema_field(ModelSettingsShape)
    def get_settings(self, entry: ModelEntry) -> dict[str, Any]:
        return {name: entry.settings.get(name) for name in TIMEOUTS}

    @extend_schema_field(ModelHealthShape)
    def get_health(self, entry: ModelEntry) -> dict[str, Any]:
        known = entry.health
        return {
            "state": known.get("state", "unknown"),
            "code": known.get("code"),
            "p50_ms": round(statistics.median(known["recent_ms"])) if known.get("recent_ms") else None,
            "checked_at": known.get("checked_at"),
        }


class ParameterRuleShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    type = serializers.ChoiceField(PARAMETER_TYPES)
    help = serializers.CharField()
    minimum = serializers.FloatField(allow_null=True)
    maximum = serializers.FloatField(allow_null=True)
    default = serializers.JSONField(help_text="Any value, or null for none.")
    choices = serializers.ListField(child=serializers.CharField())
    precision = serializers.IntegerField(allow_null=True, help_text="Decimals that make sense in a form.")

    class Meta:
        ref_name = "ParameterRule"

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), "label": serializers.CharField()}
