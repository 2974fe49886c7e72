"""The catalog of provider kinds: forms as JSON Schema, with what a frontend needs to lay them out."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from providers.kinds import KINDS
from providers.models import ModelType
from tenants.api.base import ApiView
from tenants.api.schema import page_shape
from tenants.problems import Problem

_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="304 if the catalog still has this ETag."
)
_UNCHANGED = OpenApiResponse(description="Not changed since the ETag was given out.")


class KindShape(serializers.Serializer[Any]):
    """What a provider of this kind needs, and what it can do."""

    kind = serializers.CharField()
    description = serializers.CharField()
    model_types = serializers.ListField(child=serializers.ChoiceField(ModelType.choices))
    credential_schema = serializers.DictField(help_text="JSON Schema 2020-12 of `credentials`.")
    settings_schema = serializers.DictField(help_text="JSON Schema 2020-12 of `settings`, with defaults.")
    ui = serializers.DictField(help_text="Order, labels, placeholders, help and conditions, by dotted field path.")
    docs_url = serializers.URLField()

    class Meta:
        ref_name = "ProviderKind"

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), "label": serializers.CharField()}


class KindListView(ApiView):
    tag = "provider-kinds"

    @extend_schema(
        operation_id="provider_kinds_list",
        parameters=[_IF_NONE_MATCH],
        responses={200: page_shape(KindShape), 304: _UNCHANGED},
    )
    def get(self, request: Request) -> Response:
        """All kinds of providers that can be registered."""
        kinds = [kind.as_json() for kind in KINDS.values()]
        return _cached(request, {"results": kinds, "next": None, "previous": None})


class KindView(ApiView):
    tag = "provider-kinds"

    @extend_schema(
        operation_id="provider_kinds_retrieve", parameters=[_IF_NONE_MATCH], responses={200: KindShape, 304: _UNCHANGED}
    )
    def get(self, request: Request, kind: str) -> Response:
        """One kind with its form."""
        if kind not in KINDS:
            raise Problem("not_found", hint="GET /api/v1/provider-kinds lists the kinds.")
        return _cached(request, KINDS[kind].as_json())


def _cached(request: Request, body: dict[str, Any]) -> Response:
    etag = f'"{hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    wanted = request.headers.get("If-None-Match", "")
    known = {entry.strip().removeprefix("W/") for entry in wanted.split(",")}
    if etag in known or wanted.strip() == "*":
        return Response(status=304, headers=headers)
    return Response(body, headers=headers)
