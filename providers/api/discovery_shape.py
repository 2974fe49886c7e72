"""Listings of a server's models, and their imports, as clients see them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from providers.models import Discovery, ModelType


class FoundModelShape(serializers.Serializer[Any]):
    """A model as the server lists it. What it does not tell is null."""

    upstream_name = serializers.CharField()
    type = serializers.ChoiceField(ModelType.choices, allow_null=True)
    capabilities = serializers.ListField(child=serializers.CharField())
    context_size = serializers.IntegerField(allow_null=True)
    features = serializers.ListField(child=serializers.CharField())
    mode = serializers.CharField(allow_null=True)
    dimensions = serializers.IntegerField(allow_null=True)

    class Meta:
        ref_name = "FoundModel"

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        told = serializers.DictField(help_text="Where each fact comes from.")
        return {**super().get_fields(), "source": told}


class ListedModelShape(FoundModelShape):
    imported_as = serializers.ListField(child=serializers.CharField(), help_text="Names of the entries that serve it.")

    class Meta:
        ref_name = "ListedModel"


class DifferenceShape(serializers.Serializer[Any]):
    """Names, compared with the listing before."""

    added = serializers.ListField(child=serializers.CharField())
    removed = serializers.ListField(child=serializers.CharField())
    changed = serializers.ListField(child=serializers.CharField())

    class Meta:
        ref_name = "DiscoveryDifference"


class DiscoveryErrorShape(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()
    retryable = serializers.BooleanField()
    whose = serializers.ChoiceField(["caller", "upstream", "platform"])
    remedy = serializers.CharField()

    class Meta:
        ref_name = "WorkError"


class DiscoveryShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    provider = serializers.UUIDField(source="provider_id")
    state = serializers.ChoiceField(Discovery.State.choices)
    models = FoundModelShape(many=True, source="found")
    diff = DifferenceShape(allow_null=True)
    error = DiscoveryErrorShape(allow_null=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        ref_name = "Discovery"

    def to_representation(self, instance: Discovery) -> dict[str, Any]:
        return {
            "id": instance.id,
            "provider": instance.provider_id,
            "state": instance.state,
            "models": instance.found,
            "diff": instance.diff or None,
            "error": instance.error,
            "created_at": instance.created_at,
            "finished_at": instance.finished_at,
        }


class DiscoveredShape(serializers.Serializer[Any]):
    """The last listing that succeeded; null and empty where there is none yet."""

    discovery = serializers.UUIDField(allow_null=True)
    discovered_at = serializers.DateTimeField(allow_null=True)
    age_seconds = serializers.IntegerField(allow_null=True)
    models = ListedModelShape(many=True)
    diff = DifferenceShape(allow_null=True)

    class Meta:
        ref_name = "DiscoveredModels"


class ImportedShape(serializers.Serializer[Any]):
    id = serializers.UUIDField(allow_null=True, help_text="Null in a dry run.")
    name = serializers.CharField()
    type = serializers.ChoiceField(ModelType.choices)
    upstream_name = serializers.CharField()
    context_size = serializers.IntegerField(allow_null=True)
    features = serializers.ListField(child=serializers.CharField())

    class Meta:
        ref_name = "ImportedModel"


class SkippedShape(serializers.Serializer[Any]):
    upstream_name = serializers.CharField()
    code = serializers.CharField(
        help_text="model_not_found, already_imported, name_taken, name_invalid, type_unknown or model_invalid."
    )

    class Meta:
        ref_name = "SkippedModel"


class ImportShape(serializers.Serializer[Any]):
    created = ImportedShape(many=True)
    skipped = SkippedShape(many=True)
    dry_run = serializers.BooleanField()

    class Meta:
        ref_name = "ModelImport"
