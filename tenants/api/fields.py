"""Fields and serializers of request bodies. They take the type they name and no other, and no field they do not name.

DRF's own fields turn 5 into "5", "yes" into True and "7" into 7; a client whose mistake is mended silently never
learns of it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

NOT_TEXT = "This must be a string."


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not name, also read-only ones, with the code `unknown_field`."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            taken = {name for name, field in self.fields.items() if not field.read_only}
            unknown = [name for name in data if name not in taken]
            if unknown:
                message = ErrorDetail("This field is not known here.", code="unknown_field")
                raise ValidationError({str(name)[:100]: [message] for name in unknown[:20]})
        return super().to_internal_value(data)


class NoFields(StrictSerializer):
    """Nothing, or an empty object."""


class TextField(serializers.CharField):
    """A string, trimmed; at most `max_length` characters, which must be given."""

    def __init__(self, *, max_length: int, **options: Any) -> None:
        super().__init__(max_length=max_length, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise ValidationError(NOT_TEXT, code="invalid")
        return super().to_internal_value(data)


class EmailField(TextField):
    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=254, **options)
        self.validators.append(serializers.EmailField().validators[-1])

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(data).lower()


class ChoiceField(serializers.ChoiceField):
    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            raise ValidationError(NOT_TEXT, code="invalid")
        return super().to_internal_value(data)


class WholeNumberField(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            raise ValidationError("This must be a whole number.", code="invalid")
        return super().to_internal_value(data)


class NumberField(serializers.FloatField):
    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, (int, float)):
            raise ValidationError("This must be a number.", code="invalid")
        return super().to_internal_value(data)


class FlagField(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise ValidationError("This must be true or false.", code="invalid")
        return data


class MomentField(serializers.DateTimeField):
    """RFC 3339 with its offset: a time without one would be somebody's guess."""

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str):
            raise ValidationError(NOT_TEXT, code="invalid")
        try:
            moment = datetime.fromisoformat(data)
        except ValueError:
            raise ValidationError(
                "This must be an RFC 3339 time, such as 2027-01-31T12:00:00Z.", code="invalid"
            ) from None
        if moment.tzinfo is None:
            raise ValidationError("This time needs its offset, such as Z.", code="invalid")
        return super().to_internal_value(moment)


class NetworkField(TextField):
    """An address range, such as 10.0.0.0/8, in its canonical form."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, **options)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            return str(ipaddress.ip_network(text))
        except ValueError as error:
            raise ValidationError(f"This must be an address range: {error}.", code="invalid") from None
