"""Fields of bodies that only this app takes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from tenants.api.fields import NOT_TEXT


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(serializers.Field[dict[str, Any], Any, Any, Any]):
    """A JSON object, kept as it is; at most `max_bytes` of JSON."""

    def __init__(self, *, max_bytes: int = 65_536, **options: Any) -> None:
        super().__init__(**options)
        self.max_bytes = max_bytes

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise ValidationError("This must be an object.", code="invalid")
        if len(orjson.dumps(data)) > self.max_bytes:
            raise ValidationError(f"This must be at most {self.max_bytes} bytes of JSON.", code="max_length")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "object", "additionalProperties": {"type": ["string", "null"], "writeOnly": True}})
class SecretsField(ObjectField):
    """Secret fields by name: a string sets, null clears, a field left out is kept. Never shown again."""


@extend_schema_field({"type": "string", "format": "uuid"})
class IdField(serializers.Field[UUID, Any, Any, Any]):
    """An id in a body. One that is no UUID is as unknown as any other."""

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str):
            raise ValidationError(NOT_TEXT, code="invalid")
        try:
            return UUID(data)
        except ValueError:
            raise ValidationError("There is nothing with this id.", code="does_not_exist") from None
