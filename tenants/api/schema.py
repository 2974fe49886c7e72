"""How views describe themselves in the OpenAPI document: problems, pages, headers and ids stated in one place."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers

from tenants.api.base import ApiView, TenantView
from tenants.api.fields import StrictSerializer
from tenants.problems import CONTENT_TYPE

LIMIT = OpenApiParameter("limit", OpenApiTypes.INT, description="Rows of a page: 1 to 200, 50 by default.")
CURSOR = OpenApiParameter("cursor", OpenApiTypes.STR, description="Where to go on: taken from `next` or `previous`.")
ORDERING = OpenApiParameter("ordering", OpenApiTypes.STR, description="Names to order by; a minus turns one around.")
PAGING = [LIMIT, CURSOR, ORDERING]
DRY_RUN = OpenApiParameter("dry_run", OpenApiTypes.BOOL, description="Answer 200 with what would be affected.")
CASCADE = OpenApiParameter("cascade", OpenApiTypes.BOOL, description="Also remove what depends on it.")

_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The same key and body within 24 hours do the work once and get the same answer.",
)
_IF_MATCH = OpenApiParameter(
    "If-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, description="Only if the object still has this ETag."
)


_DESCRIPTIONS = {
    "400": "The body, a parameter or a header is not valid.",
    "401": "The credential is missing, wrong, expired or revoked.",
    "403": "The right for this is missing; the hint names the scope.",
    "404": "It does not exist, or not for you.",
    "409": "It clashes with what is there.",
    "412": "It has changed since the ETag was given out.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "The Idempotency-Key came with another body before.",
    "default": "Any other refusal.",
}


class FieldErrorShape(serializers.Serializer[Any]):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()

    class Meta:
        ref_name = "FieldError"


_PROBLEM: dict[str, Any] = {
    "type": serializers.CharField(help_text="`urn:modelyard:problem:<code>`"),
    "title": serializers.CharField(),
    "status": serializers.IntegerField(),
    "detail": serializers.CharField(),
    "code": serializers.CharField(help_text="Stable; docs/errors.md lists them all."),
    "request_id": serializers.CharField(),
    "hint": serializers.CharField(required=False, help_text="The next step."),
    "errors": FieldErrorShape(many=True, required=False),
}
ProblemShape = inline_serializer("Problem", _PROBLEM)  # RFC 9457


@cache
def page_shape(row: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """The answer of a list of `row`."""
    name = row.__name__.removesuffix("Serializer").removesuffix("Shape")
    fields: dict[str, Any] = {
        "results": row(many=True),
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
    }
    return inline_serializer(f"{name}Page", fields)


class ApiSchema(AutoSchema):
    def get_tags(self) -> list[str]:
        tag = getattr(self.view, "tag", "")
        return [tag] if tag else super().get_tags()

    def get_override_parameters(self) -> list[Any]:
        parameters = list(super().get_override_parameters())
        if isinstance(self.view, ApiView):
            parameters += {"POST": [_IDEMPOTENCY_KEY], "PATCH": [_IF_MATCH], "DELETE": [_IF_MATCH]}.get(self.method, [])
        return parameters

    def get_description(self, path: str = "", method: str = "") -> str:
        """The method's own docstring: what a base class says is for programmers."""
        handler = getattr(self.view, self.method.lower(), None)
        return inspect.cleandoc(getattr(handler, "__doc__", None) or "")

    def _get_response_bodies(self, direction: Any = "response") -> Any:
        answers = super()._get_response_bodies(direction)
        if isinstance(self.view, ApiView):
            for status in self._refusals():
                answers.setdefault(status, self._refusal(status))
        return answers

    def _refusal(self, status: str) -> dict[str, Any]:
        answer = self._get_response_for_code(ProblemShape, status, media_types=[CONTENT_TYPE])
        return {**answer, "description": _DESCRIPTIONS[status]}

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        shape = super()._map_basic_serializer(serializer, direction)
        if isinstance(serializer, StrictSerializer):
            shape["additionalProperties"] = False
            if "__doc__" not in vars(type(serializer)):
                shape.pop("description", None)
        return shape

    def _refusals(self) -> list[str]:
        found = ["400", "401", "403"]
        if isinstance(self.view, TenantView):
            found.append("404")
        if self.method != "GET":
            found.append("409")
        found += {"POST": ["413", "415", "422"], "PATCH": ["412", "413", "415"], "DELETE": ["412"]}.get(self.method, [])
        return [*found, "default"]

    def get_filter_backends(self) -> list[Any]:
        return []
