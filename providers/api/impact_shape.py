"""What a delete would take along, as `?dry_run=true` answers it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from providers.models import ModelType


class NamedShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()

    class Meta:
        ref_name = "Named"


class ImpactShape(serializers.Serializer[Any]):
    models = NamedShape(many=True, required=False)
    default_models = serializers.ListField(child=serializers.ChoiceField(ModelType.choices), required=False)
    running_jobs = serializers.IntegerField()
    queued_jobs = serializers.IntegerField()

    class Meta:
        ref_name = "DeletionImpact"


class ImpactAnswerShape(serializers.Serializer[Any]):
    impact = ImpactShape()

    class Meta:
        ref_name = "DeletionImpactAnswer"
