"""GET /v1/models and /v1/models/{name}: what this key may call."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from starlette.types import Receive, Scope, Send

from providers.errors import UnknownModel
from providers.fresh_cache import FreshCache
from providers.gateway.answers import answer
from providers.gateway.callers import caller_of
from providers.gateway.openai_errors import JSON
from providers.models import ModelEntry
from tenants.authentication import Caller
from tenants.in_db import in_db

_Listed = tuple[UUID, dict[str, dict[str, Any]]]
_listed: FreshCache[UUID, _Listed] = FreshCache(tenant_of=lambda listed: listed[0], max_entries=10_000)


async def list_models(scope: Scope, receive: Receive, send: Send) -> None:
    caller = await caller_of(scope, "infer", "models:read")
    body = {"object": "list", "data": list((await _models_of(caller)).values())}
    await answer(send, 200, [JSON], orjson.dumps(body))


async def one_model(scope: Scope, receive: Receive, send: Send, name: str) -> None:
    caller = await caller_of(scope, "infer", "models:read")
    models = await _models_of(caller)
    if name not in models:
        raise UnknownModel(message=f"The model `{name}` does not exist. GET /v1/models lists those this key may use.")
    await answer(send, 200, [JSON], orjson.dumps(models[name]))


async def _models_of(caller: Caller) -> dict[str, dict[str, Any]]:
    found = _listed.get(caller.tenant_id) or await _listed.load(
        caller.tenant_id, lambda: in_db(_read, caller.tenant_id)
    )
    if caller.allowed_models is None:
        return found[1]
    return {name: model for name, model in found[1].items() if name in caller.allowed_models}


def _read(tenant_id: UUID) -> _Listed:
    """What can be called now: switched-off models and those of switched-off providers are left out."""
    entries = ModelEntry.objects.for_tenant(tenant_id).filter(enabled=True, provider__enabled=True)
    rows = entries.order_by("name").values_list("name", "type", "created_at", "provider__name")
    return tenant_id, {
        name: {
            "id": name,
            "object": "model",
            "created": int(created_at.timestamp()),
            "owned_by": provider_name,
            "type": model_type,
        }
        for name, model_type, created_at, provider_name in rows
    }
