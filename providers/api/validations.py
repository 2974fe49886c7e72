"""Validation runs: of a provider, and of a form that is not saved yet. A worker carries them out."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from providers.api.base import ProvidersView, by_choice
from providers.api.inputs import ObjectField, SecretsField
from providers.api.validation_shape import ValidationShape
from providers.forms import check_form
from providers.models import ValidationRun
from providers.validation.runs import MAX_MODELS, queue_form_run, queue_run
from tenants.api.fields import ChoiceField, StrictSerializer, TextField
from tenants.api.schema import PAGING, page_shape

_FILTERS = [
    OpenApiParameter("state", str, description="One or more states, separated by commas."),
    OpenApiParameter("level", str, description="One or more levels, separated by commas."),
]
_INFER = OpenApiExample(
    "A real call to one model", value={"level": "infer", "models": ["gpt-3.5-turbo"]}, request_only=True
)
_FORM = OpenApiExample(
    "A form not saved yet",
    value={
        "kind": "localai",
        "base_url": "http://localhost:8080",
        "credentials": {"api_key": "sk-local-0123456789abcdef"},
        "level": "models",
    },
    request_only=True,
)


def _models(help_text: str) -> serializers.ListField:
    return serializers.ListField(
        child=TextField(max_length=255), required=False, max_length=MAX_MODELS, min_length=1, help_text=help_text
    )


class NewValidation(StrictSerializer):
    level = ChoiceField(ValidationRun.Level.choices, required=False, default=ValidationRun.Level.MODELS)
    models = _models("For level infer: names of model entries. Left out: one enabled entry per type.")


class NewFormValidation(StrictSerializer):
    """A provider's body, with `level`. `name` is taken and not looked at."""

    kind = TextField(max_length=32)
    name = TextField(max_length=100, required=False, allow_blank=True)
    base_url = TextField(max_length=2048)
    credentials = SecretsField(required=False, default=dict)
    settings = ObjectField(required=False, default=dict)
    level = ChoiceField(ValidationRun.Level.choices, required=False, default=ValidationRun.Level.MODELS)
    models = _models("For level infer: names as the server has them. Left out: one listed model per type.")


class ValidationsView(ProvidersView):
    tag = "validations"

    def runs_of(self, provider_id: str) -> QuerySet[ValidationRun]:
        provider = self.provider(provider_id)
        return ValidationRun.objects.for_tenant(self.tenant).filter(provider_id=provider.id)

    def runs_of_forms(self) -> QuerySet[ValidationRun]:
        return ValidationRun.objects.for_tenant(self.tenant).filter(provider_id=None)

    def show(self, run: ValidationRun) -> Any:
        return ValidationShape(run).data


class ProviderValidationListView(ValidationsView):
    scopes = {"GET": "providers:read", "POST": "providers:write"}

    @extend_schema(
        operation_id="validations_list", parameters=[*PAGING, *_FILTERS], responses=page_shape(ValidationShape)
    )
    def get(self, request: Request, tenant: str, provider: str) -> Response:
        """The provider's history of validations, newest first."""
        rows = by_choice(self.runs_of(provider), request, "state", ValidationRun.State.values)
        rows = by_choice(rows, request, "level", ValidationRun.Level.values)
        return self.page(rows, ValidationShape, orderings=("id", "created_at"))

    @extend_schema(
        operation_id="validations_create", request=NewValidation, responses={202: ValidationShape}, examples=[_INFER]
    )
    def post(self, request: Request, tenant: str, provider: str) -> Response:
        """Validate the provider now. Each level includes those before it: connect, auth, models, infer."""
        row = self.provider(provider)
        body = self.read(NewValidation)
        run = queue_run(row, by=self.caller.actor, level=body["level"], models=body.get("models"))
        return self.accepted(self.show(run), self.at("provider-validation", provider=row.id, validation=run.id))


class ProviderValidationView(ValidationsView):
    scopes = {"GET": "providers:read"}

    @extend_schema(operation_id="validations_retrieve", responses=ValidationShape)
    def get(self, request: Request, tenant: str, provider: str, validation: str) -> Response:
        """One run with the steps that have ended so far."""
        return self.shown(self.show(self.get_or_404(self.runs_of(provider), validation)))


class FormValidationListView(ValidationsView):
    scopes = {"POST": "providers:write"}

    @extend_schema(
        operation_id="form_validations_create",
        request=NewFormValidation,
        responses={202: ValidationShape},
        examples=[_FORM],
    )
    def post(self, request: Request, tenant: str) -> Response:
        """Validate a form before it is saved. Its secrets are kept sealed until the run has ended, then wiped."""
        body = self.read(NewFormValidation)
        if body["credentials"]:
            self.caller.require("creds:write")
        form = check_form(**{name: body[name] for name in ("kind", "base_url", "credentials", "settings")})
        run = queue_form_run(
            tenant_id=self.tenant, by=self.caller.actor, form=form, level=body["level"], models=body.get("models")
        )
        return self.accepted(self.show(run), self.at("form-validation", validation=run.id))


class FormValidationView(ValidationsView):
    scopes = {"GET": "providers:read"}

    @extend_schema(operation_id="form_validations_retrieve", responses=ValidationShape)
    def get(self, request: Request, tenant: str, validation: str) -> Response:
        """One run of a form that is not saved."""
        return self.shown(self.show(self.get_or_404(self.runs_of_forms(), validation)))


class ValidationEventsView(ValidationsView):
    """For the methods that the streams beside Django do not take."""

    beside_django = ("GET",)
