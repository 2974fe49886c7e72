"""Model entries: what callers may name as `model`."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from providers import impact, model_entries
from providers.api.base import ProvidersView, by_choice, by_flag, by_id, by_text
from providers.api.impact_shape import ImpactAnswerShape
from providers.api.inputs import IdField, ObjectField
from providers.api.model_shape import ModelShape, ParameterRuleShape
from providers.api.validation_shape import ValidationShape
from providers.kinds.forms import model_settings_schema
from providers.models import ModelEntry, ModelType, Provider
from providers.parameter_rules import rules_for
from tenants.api.fields import ChoiceField, FlagField, StrictSerializer, TextField, WholeNumberField
from tenants.api.schema import CASCADE, DRY_RUN, PAGING, page_shape
from tenants.problems import FieldError, invalid

MAX_COUNT = 2**31 - 1
_FILTERS = [
    OpenApiParameter("type", str, description="One or more types, separated by commas."),
    OpenApiParameter("provider", str, description="The id of a provider."),
    OpenApiParameter("enabled", bool),
    OpenApiParameter("search", str, description="Part of the name."),
]
_EXAMPLE = OpenApiExample(
    "An LLM",
    value={
        "name": "gpt-3.5-turbo",
        "type": "llm",
        "provider": "0192f0c1-2d3e-7f4a-8b5c-6d7e8f901234",
        "upstream_name": "gpt-3.5-turbo",
        "context_size": 4096,
        "parameters": {"temperature": 0.7},
        "settings": {"first_token_timeout_seconds": 900},
    },
    request_only=True,
)


@extend_schema_field({name: said for name, said in model_settings_schema().items() if name != "$schema"})
class ModelSettingsField(ObjectField):
    """Deadlines that differ from the provider's; null takes the provider's again."""


class ModelFields(StrictSerializer):
    upstream_name = TextField(max_length=255, required=False)
    enabled = FlagField(required=False)
    mode = ChoiceField(model_entries.MODES, required=False, allow_null=True)
    context_size = WholeNumberField(min_value=1, max_value=MAX_COUNT, required=False, allow_null=True)
    max_output_tokens = WholeNumberField(min_value=1, max_value=MAX_COUNT, required=False, allow_null=True)
    dimensions = WholeNumberField(min_value=1, max_value=MAX_COUNT, required=False, allow_null=True)
    features = serializers.ListField(child=TextField(max_length=40), max_length=32, required=False)
    parameters = ObjectField(max_bytes=16_384, required=False)
    settings = ModelSettingsField(max_bytes=1024, required=False)


class NewModel(ModelFields):
    name = TextField(max_length=255, trim_whitespace=False)
    type = ChoiceField(ModelType.choices)
    provider = IdField()


class ModelChanges(ModelFields):
    """What is left out stays; `settings` are merged key by key, `features` and `parameters` are replaced."""

    name = TextField(max_length=255, trim_whitespace=False, required=False)
    type = ChoiceField(ModelType.choices, required=False)
    provider = IdField(required=False)


class ModelsView(ProvidersView):
    tag = "models"

    def entry(self, model_id: str) -> ModelEntry:
        rows: QuerySet[ModelEntry] = ModelEntry.objects.for_tenant(self.tenant).select_related("provider")
        return self.get_or_404(rows, model_id)

    def held_entry(self, model_id: str) -> ModelEntry:
        """The same, held until the transaction ends: so nobody comes between `If-Match` and the change."""
        rows: QuerySet[ModelEntry] = ModelEntry.objects.for_tenant(self.tenant).select_related("provider")
        return self.get_or_404(rows.select_for_update(no_key=True, of=("self",)), model_id)

    def answer(self, entry: ModelEntry) -> Response:
        return self.shown(ModelShape(entry).data, version=entry.version)

    def named_provider(self, provider_id: UUID) -> Provider:
        """The provider that a body names. Raises Problem `invalid_request` on that field."""
        row: Provider | None = Provider.objects.for_tenant(self.tenant).filter(id=provider_id).first()
        if row is None:
            raise invalid([FieldError("provider", "does_not_exist", "There is no provider with this id.")])
        return row


class ModelListView(ModelsView):
    scopes = {"GET": "models:read", "POST": "models:write"}

    @extend_schema(operation_id="models_list", parameters=[*PAGING, *_FILTERS], responses=page_shape(ModelShape))
    def get(self, request: Request, tenant: str) -> Response:
        """The tenant's models; newest first."""
        rows = by_choice(ModelEntry.objects.for_tenant(self.tenant), request, "type", ModelType.values)
        rows = by_text(by_flag(by_id(rows, request, "provider"), request, "enabled"), request, "search", "name")
        return self.page(rows, ModelShape, orderings=("id", "name", "type", "created_at", "updated_at"))

    @extend_schema(operation_id="models_create", request=NewModel, responses={201: ModelShape}, examples=[_EXAMPLE])
    def post(self, request: Request, tenant: str) -> Response:
        """Make a model entry of any of the seven types."""
        body = self.read(NewModel)
        provider = self.named_provider(body.pop("provider"))
        entry = model_entries.create_entry(provider, by=self.caller.actor, fields=body)
        return self.created(ModelShape(entry).data, self.at("model", model=entry.id), version=entry.version)


class ModelView(ModelsView):
    scopes = {"GET": "models:read", "PATCH": "models:write", "DELETE": "models:write"}

    @extend_schema(operation_id="models_retrieve", responses=ModelShape)
    def get(self, request: Request, tenant: str, model: str) -> Response:
        """One model."""
        return self.answer(self.entry(model))

    @extend_schema(operation_id="models_update", request=ModelChanges, responses=ModelShape)
    def patch(self, request: Request, tenant: str, model: str) -> Response:
        """Change a model. A default keeps its type until another default is chosen."""
        changes = self.read(ModelChanges, partial=True)
        with transaction.atomic():
            entry = self.held_entry(model)
            self.check_if_match(entry)
            if "provider" in changes:
                changes["provider"] = self.named_provider(changes["provider"])
            model_entries.change_entry(entry, by=self.caller.actor, changes=changes)
        return self.answer(entry)

    @extend_schema(
        operation_id="models_delete",
        parameters=[DRY_RUN, CASCADE],
        responses={200: ImpactAnswerShape, 204: OpenApiResponse(description="Gone.")},
    )
    def delete(self, request: Request, tenant: str, model: str) -> Response:
        """Remove a model; with `cascade` also where it is a default or jobs wait for it."""
        with transaction.atomic():
            entry = self.held_entry(model)
            self.check_if_match(entry)
            if self.flag("dry_run"):
                return self.shown({"impact": impact.of_model(entry)})
            model_entries.delete_entry(entry, by=self.caller.actor, cascade=self.flag("cascade"))
        return self.no_content()


class ModelEnableView(ModelsView):
    scopes = {"POST": "models:write"}

    @extend_schema(operation_id="models_enable", request=None, responses=ModelShape)
    def post(self, request: Request, tenant: str, model: str) -> Response:
        """Let callers use it."""
        self.read_nothing()
        return self.answer(model_entries.set_entry_enabled(self.entry(model), True, by=self.caller.actor))


class ModelDisableView(ModelsView):
    scopes = {"POST": "models:write"}

    @extend_schema(operation_id="models_disable", request=None, responses=ModelShape)
    def post(self, request: Request, tenant: str, model: str) -> Response:
        """Refuse calls to it until it is enabled again."""
        self.read_nothing()
        return self.answer(model_entries.set_entry_enabled(self.entry(model), False, by=self.caller.actor))


class ModelTestView(ModelsView):
    scopes = {"POST": "models:write"}

    @extend_schema(operation_id="models_test", request=None, responses={202: ValidationShape})
    def post(self, request: Request, tenant: str, model: str) -> Response:
        """Have a worker make one small real call to it: a validation of level infer. A cold model is loaded by it."""
        self.read_nothing()
        entry = self.entry(model)
        run = model_entries.try_entry(entry, by=self.caller.actor)
        location = self.at("provider-validation", provider=entry.provider_id, validation=run.id)
        return self.accepted(ValidationShape(run).data, location)


class ModelParameterRulesView(ModelsView):
    scopes = {"GET": "models:read"}

    @extend_schema(operation_id="models_parameter_rules", responses=ParameterRuleShape(many=True))
    def get(self, request: Request, tenant: str, model: str) -> Response:
        """The parameters that a call to it takes, for a form: ranges, choices, defaults."""
        return self.shown(ParameterRuleShape(rules_for(self.entry(model)), many=True).data)
