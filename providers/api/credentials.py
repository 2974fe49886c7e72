"""Named credentials of a provider. Their values come in and never out."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from providers import credentials
from providers.api.base import ProvidersView, by_choice
from providers.api.impact_shape import ImpactAnswerShape
from providers.api.inputs import SecretsField
from providers.api.secrets import SecretShape, shown_secrets
from providers.api.validation_shape import ValidationShape
from providers.models import Credential
from tenants.api.fields import MomentField, StrictSerializer, TextField, WholeNumberField
from tenants.api.schema import CASCADE, DRY_RUN, PAGING, page_shape

_ROTATION = OpenApiExample(
    "A new key, the old one kept for an hour",
    value={"fields": {"api_key": "sk-local-fedcba9876543210"}, "grace_seconds": 3600},
    request_only=True,
)
_STATE = OpenApiParameter("state", str, description="One or more states, separated by commas.")


class CredentialShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    state = serializers.ChoiceField(Credential.State.choices)
    expires_at = serializers.DateTimeField(allow_null=True)
    grace_until = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField(allow_null=True, help_text="A code of docs/diagnosis.md.")
    created_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Credential"

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), "fields": serializers.SerializerMethodField(method_name="shown_fields")}

    @extend_schema_field(serializers.DictField(child=SecretShape()))
    def shown_fields(self, credential: Credential) -> dict[str, Any]:
        return shown_secrets(credential.provider.kind, credential.secrets.all())


class NewCredential(StrictSerializer):
    name = TextField(max_length=100)
    expires_at = MomentField(required=False, allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), "fields": SecretsField()}


class CredentialChanges(StrictSerializer):
    """What is left out stays; `fields` are merged key by key."""

    name = TextField(max_length=100, required=False)
    expires_at = MomentField(required=False, allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), "fields": SecretsField(required=False)}


class Rotation(StrictSerializer):
    grace_seconds = WholeNumberField(min_value=0, max_value=credentials.MAX_GRACE_SECONDS, required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), "fields": SecretsField()}


class CredentialsView(ProvidersView):
    tag = "credentials"

    def rows(self, provider_id: str) -> QuerySet[Credential]:
        rows = credentials.credentials_of(self.provider(provider_id))
        return rows.select_related("provider").prefetch_related("secrets")

    def show(self, credential: Credential) -> Any:
        rows = self.rows(str(credential.provider_id))
        return CredentialShape(rows.get(id=credential.id)).data

    def answer(self, credential: Credential) -> Response:
        return self.shown(self.show(credential), version=credential.version)


class CredentialListView(CredentialsView):
    scopes = {"GET": "providers:read", "POST": "creds:write"}

    @extend_schema(operation_id="credentials_list", parameters=[*PAGING, _STATE], responses=page_shape(CredentialShape))
    def get(self, request: Request, tenant: str, provider: str) -> Response:
        """The provider's credentials, the revoked ones included."""
        rows = by_choice(self.rows(provider), request, "state", Credential.State.values)
        return self.page(rows, CredentialShape, orderings=("id", "name", "state", "created_at"))

    @extend_schema(operation_id="credentials_create", request=NewCredential, responses={201: CredentialShape})
    def post(self, request: Request, tenant: str, provider: str) -> Response:
        """Store further values under a name. They are staged: `activate` puts them to use."""
        row = self.provider(provider)
        made = credentials.create_credential(row, by=self.caller.actor, **self.read(NewCredential))
        location = self.at("credential", provider=row.id, credential=made.id)
        return self.created(self.show(made), location, version=made.version)


class CredentialView(CredentialsView):
    scopes = {"GET": "providers:read", "PATCH": "creds:write", "DELETE": "creds:write"}

    @extend_schema(operation_id="credentials_retrieve", responses=CredentialShape)
    def get(self, request: Request, tenant: str, provider: str, credential: str) -> Response:
        """One credential: which fields are set, and what became of them."""
        return self.answer(self.get_or_404(self.rows(provider), credential))

    @extend_schema(operation_id="credentials_update", request=CredentialChanges, responses=CredentialShape)
    def patch(self, request: Request, tenant: str, provider: str, credential: str) -> Response:
        """Change its name, expiry or values. New values of the active one start a validation."""
        changes = self.read(CredentialChanges, partial=True)
        with self.changing(provider):
            row = self.get_or_404(self.rows(provider), credential)
            self.check_if_match(row)
            credentials.change_credential(row, by=self.caller.actor, changes=changes)
        return self.answer(row)

    @extend_schema(
        operation_id="credentials_delete",
        parameters=[DRY_RUN, CASCADE],
        responses={200: ImpactAnswerShape, 204: OpenApiResponse(description="Gone.")},
    )
    def delete(self, request: Request, tenant: str, provider: str, credential: str) -> Response:
        """Remove it with its values. The active one needs `cascade`: calls then go out without a key."""
        with self.changing(provider):
            row = self.get_or_404(self.rows(provider), credential)
            self.check_if_match(row)
            if self.flag("dry_run"):
                return self.shown({"impact": credentials.impact_of(row)})
            credentials.delete_credential(row, by=self.caller.actor, cascade=self.flag("cascade"))
        return self.no_content()


class CredentialActivateView(CredentialsView):
    scopes = {"POST": "creds:write"}

    @extend_schema(operation_id="credentials_activate", request=None, responses=CredentialShape)
    def post(self, request: Request, tenant: str, provider: str, credential: str) -> Response:
        """Have calls use this one; the active one before is staged."""
        self.read_nothing()
        row = self.get_or_404(self.rows(provider), credential)
        return self.answer(credentials.activate(row, by=self.caller.actor))


class CredentialRotateView(CredentialsView):
    scopes = {"POST": "creds:write"}

    @extend_schema(
        operation_id="credentials_rotate", request=Rotation, responses={202: ValidationShape}, examples=[_ROTATION]
    )
    def post(self, request: Request, tenant: str, provider: str, credential: str) -> Response:
        """Stage new values and validate them; if they pass they replace the old ones, which stay for the grace."""
        row = self.get_or_404(self.rows(provider), credential)
        run = credentials.rotate(row, by=self.caller.actor, **self.read(Rotation))
        location = self.at("provider-validation", provider=row.provider_id, validation=run.id)
        return self.accepted(ValidationShape(run).data, location)


class CredentialRevokeView(CredentialsView):
    scopes = {"POST": "creds:write"}

    @extend_schema(operation_id="credentials_revoke", request=None, responses=CredentialShape)
    def post(self, request: Request, tenant: str, provider: str, credential: str) -> Response:
        """Wipe its values at once."""
        self.read_nothing()
        row = self.get_or_404(self.rows(provider), credential)
        return self.answer(credentials.revoke(row, by=self.caller.actor))
