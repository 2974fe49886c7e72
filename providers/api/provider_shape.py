"""A provider as clients see it, and the rows with all that this takes in three queries."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Count, IntegerField, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from providers.api.secrets import SecretShape, shown_secrets
from providers.credentials import CURRENT
from providers.models import Credential, ModelEntry, Provider, ValidationRun

_SHOWN = "shown_credentials"


class SettingsShape(serializers.Serializer[Any]):
    """Which bounds hold is in the kind's `settings_schema`."""

    connect_timeout_seconds = serializers.FloatField(required=False)
    first_token_timeout_seconds = serializers.FloatField(required=False)
    idle_timeout_seconds = serializers.FloatField(required=False)
    total_timeout_seconds = serializers.FloatField(required=False)
    max_concurrency = serializers.IntegerField(allow_null=True, required=False)
    verify_tls = serializers.BooleanField(required=False)
    extra_headers = serializers.DictField(child=serializers.CharField(), required=False)

    class Meta:
        ref_name = "ProviderSettings"


class ServerShape(serializers.Serializer[Any]):
    """What the server says it is, once a validation has asked it."""

    product = serializers.CharField(required=False)
    version = serializers.CharField(required=False)

    class Meta:
        ref_name = "ProviderServer"


class LastValidationShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(ValidationRun.State.choices)
    finished_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        ref_name = "LastValidation"


class ModelCountsShape(serializers.Serializer[Any]):
    enabled = serializers.IntegerField()
    total = serializers.IntegerField()

    class Meta:
        ref_name = "ModelCounts"


class ProviderShape(serializers.Serializer[Any]):
    """Give it rows of `with_facts`: it asks the database nothing."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    name = serializers.CharField()
    base_url = serializers.CharField()
    enabled = serializers.BooleanField()
    state = serializers.ChoiceField(Provider.State.choices)
    state_reason = serializers.CharField(allow_null=True, help_text="A code of docs/diagnosis.md.")
    state_since = serializers.DateTimeField()
    credentials = serializers.SerializerMethodField()
    settings = serializers.SerializerMethodField()
    server = serializers.SerializerMethodField()
    last_validation = serializers.SerializerMethodField()
    model_counts = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Provider"

    @extend_schema_field(serializers.DictField(child=SecretShape()))
    def get_credentials(self, provider: Provider) -> dict[str, Any]:
        shown: list[Credential] = getattr(provider, _SHOWN)
        return shown_secrets(provider.kind, shown[0].secrets.all() if shown else [])

    @extend_schema_field(SettingsShape)
    def get_settings(self, provider: Provider) -> dict[str, Any]:
        return dict(provider.settings)

    @extend_schema_field(ServerShape)
    def get_server(self, provider: Provider) -> dict[str, Any]:
        return dict(provider.server)

    @extend_schema_field(LastValidationShape(allow_null=True))
    def get_last_validation(self, provider: Any) -> dict[str, Any] | None:
        if provider.last_run_id is None:
            return None
        return {"id": provider.last_run_id, "state": provider.last_run_state, "finished_at": provider.last_run_end}

    @extend_schema_field(ModelCountsShape)
    def get_model_counts(self, provider: Any) -> dict[str, int]:
        return {"enabled": provider.models_enabled, "total": provider.models_total}


def with_facts(providers: QuerySet[Provider], tenant_id: UUID) -> QuerySet[Provider]:
    """The rows with all that `ProviderShape` shows: three queries, however many rows."""
    runs = ValidationRun.objects.for_tenant(tenant_id).filter(provider=OuterRef("pk")).order_by("-id")
    entries = ModelEntry.objects.for_tenant(tenant_id).filter(provider=OuterRef("pk")).order_by().values("provider")
    current = Credential.objects.for_tenant(tenant_id).filter(state__in=CURRENT).order_by("state")
    return providers.annotate(
        last_run_id=Subquery(runs.values("id")[:1]),
        last_run_state=Subquery(runs.values("state")[:1]),
        last_run_end=Subquery(runs.values("finished_at")[:1]),
        models_total=_count(entries, Q()),
        models_enabled=_count(entries, Q(enabled=True)),
    ).prefetch_related(Prefetch("credentials", current.prefetch_related("secrets"), to_attr=_SHOWN))


def _count(rows: QuerySet[Any, Any], which: Q) -> Coalesce:
    counted = rows.filter(which).annotate(rows=Count("id")).values("rows")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
