"""`POST {t}/api-keys/{id}/rotate`: a new secret for a key, while the one before goes on working for a time."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api.api_keys import ApiKeyShape, NewApiKeyShape, live_in_tenant, makers_limits, stored_limits
from tenants.api.base import TenantView
from tenants.api.fields import StrictSerializer, WholeNumberField
from tenants.authentication import key_role, live_keys
from tenants.key_limits import require_within
from tenants.keys import OVERLAP_MAX_SECONDS, rotate_key
from tenants.models import ApiKey
from tenants.permissions import reaches_further
from tenants.problems import Problem


class ApiKeyRotation(StrictSerializer):
    overlap_seconds = WholeNumberField(
        min_value=0,
        max_value=OVERLAP_MAX_SECONDS,
        help_text="How long the present secret goes on working; 0 ends it at once. At most seven days.",
    )


A_DAY = OpenApiExample("a-day", {"overlap_seconds": 86400}, request_only=True)


class ApiKeyRotateView(TenantView):
    tag = "api keys"
    scopes = {"POST": "admin"}

    @extend_schema(
        operation_id="api_keys_rotate",
        request=ApiKeyRotation,
        responses=NewApiKeyShape,
        examples=[A_DAY],
        summary="Give a key a new secret",
    )
    def post(self, request: Request, tenant: str, api_key: str) -> Response:
        """The answer is the only one that holds the new `key`. Its id, its rights and its limits stay; whoever
        rotates must reach as far as the key does. At most two secrets work: a second rotation ends the oldest."""
        overlap_seconds = self.read(ApiKeyRotation)["overlap_seconds"]
        with transaction.atomic():
            row = self.get_or_404(live_in_tenant(self).select_for_update(of=("self",)), api_key)
            self._may_hold(row)
            text = rotate_key(row, overlap_seconds=overlap_seconds, by=self.caller.actor)
        return self.shown({**ApiKeyShape(row).data, "key": text}, version=row.version)

    def _may_hold(self, row: ApiKey) -> None:
        """Whoever gets the new secret can do what the key can do."""
        if row.expires_at is not None and row.expires_at <= timezone.now():
            raise Problem("conflict", "The key has expired.", hint="Move `expires_at` first, or make a new key.")
        role = key_role(live_keys().get(pk=row.pk))
        if not role:
            raise Problem("conflict", "Who made this key has left, so it opens nothing.", hint="Make a new key.")
        if reaches_further(role, than=self.caller.role):
            raise Problem("insufficient_scope", hint="This key follows a higher role than yours.")
        require_within(stored_limits(row), makers_limits(self))
