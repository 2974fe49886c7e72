"""How secrets are shown: as facts about them, never as themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

from providers.kinds import KINDS
from providers.models import SealedSecret


class SecretShape(serializers.Serializer[Any]):
    """What may be told of a secret. `last4` is null where the secret is too short to show any of it."""

    set = serializers.BooleanField()
    last4 = serializers.CharField(allow_null=True, required=False)
    fingerprint = serializers.CharField(required=False, help_text="Equal for equal secrets of the same tenant.")
    updated_at = serializers.DateTimeField(required=False)

    class Meta:
        ref_name = "SecretFacts"


def shown_secrets(kind: str, secrets: Iterable[SealedSecret]) -> dict[str, dict[str, Any]]:
    """Each field that the kind knows, set or not, in the shape of `SecretShape`."""
    sealed = {secret.field: secret for secret in secrets}
    return {name: _facts(sealed.get(name)) for name in KINDS[kind].credential_schema["properties"]}


def _facts(secret: SealedSecret | None) -> dict[str, Any]:
    if secret is None:
        return {"set": False}
    return {
        "set": True,
        "last4": secret.last4,
        "fingerprint": secret.fingerprint,
        "updated_at": secret.updated_at,
    }
