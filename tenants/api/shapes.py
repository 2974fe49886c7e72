"""Shapes that several resources show."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from tenants.models import Role
from tenants.permissions import SCOPES


class RateLimitsShape(serializers.Serializer[Any]):
    requests_per_minute = serializers.IntegerField(allow_null=True)
    tokens_per_minute = serializers.IntegerField(allow_null=True)
    concurrent_streams = serializers.IntegerField(allow_null=True)

    class Meta:
        ref_name = "RateLimits"


class UserShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField(allow_blank=True)

    class Meta:
        ref_name = "User"


def scope_list(**options: Any) -> serializers.ListField:
    return serializers.ListField(child=serializers.ChoiceField(choices=SCOPES), **options)


def role_choice(**options: Any) -> serializers.ChoiceField:
    return serializers.ChoiceField(choices=Role.choices, **options)
