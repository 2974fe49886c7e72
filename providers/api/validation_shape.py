"""A validation run in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from providers.api.provider_shape import ServerShape
from providers.models import ValidationRun
from providers.validation.shown import STEPS, shown_run


class StepShape(serializers.Serializer[Any]):
    """One finding. `evidence` are the facts it stands on; which ones depends on the step."""

    step = serializers.ChoiceField(STEPS)
    ok = serializers.BooleanField()
    code = serializers.CharField(help_text="`ok`, or a code of docs/diagnosis.md.")
    elapsed_ms = serializers.IntegerField()
    evidence = serializers.DictField(required=False)

    class Meta:
        ref_name = "ValidationStep"


class DiagnosisShape(serializers.Serializer[Any]):
    """The first failed step, as cause and next step."""

    code = serializers.CharField()
    message = serializers.CharField()
    remedy = serializers.CharField()

    class Meta:
        ref_name = "Diagnosis"


class ValidationShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    provider = serializers.UUIDField(allow_null=True, help_text="Null for a form that is not saved.")
    credential = serializers.UUIDField(allow_null=True, help_text="The staged credential that a rotation tries.")
    level = serializers.ChoiceField(ValidationRun.Level.choices)
    models = serializers.ListField(child=serializers.CharField(), allow_null=True)
    state = serializers.ChoiceField(ValidationRun.State.choices)
    steps = StepShape(many=True)
    diagnosis = DiagnosisShape(allow_null=True)
    server = ServerShape()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        ref_name = "Validation"

    def to_representation(self, instance: ValidationRun) -> dict[str, Any]:
        return shown_run(instance)
