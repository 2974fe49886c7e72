"""Every operation of the OpenAPI document, with what it needs to be called: ids, a right body, the scope it asks for.

A new operation that is missing here makes these tests fail by its name, never pass by in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.urls import resolve

from tenants.api.base import MEMBERSHIP, TenantView
from tests.fakes.sound import silent_wav

METHODS = ("get", "post", "put", "patch", "delete")
TENANT_PATH = "/api/v1/tenants/{tenant}"

# What stands beside Django's views has no `scopes` to read: providers/gateway asks for these, one of them is enough.
SCOPES_BESIDE_DJANGO = {
    "jobs_create": ("jobs:write",),
    "jobs_events": ("jobs:read",),
    "validations_events": ("providers:read",),
    "form_validations_events": ("providers:read",),
    "openai_chat_completions_create": ("infer",),
    "openai_completions_create": ("infer",),
    "openai_embeddings_create": ("infer",),
    "openai_rerank_create": ("infer",),
    "openai_moderations_create": ("infer",),
    "openai_images_generate": ("infer",),
    "openai_speech_create": ("infer",),
    "openai_transcriptions_create": ("infer",),
    "openai_translations_create": ("infer",),
    "openai_models_list": ("infer", "models:read"),
    "openai_models_retrieve": ("infer", "models:read"),
}
FOR_ANYBODY_KNOWN = {"me_retrieve", "provider_kinds_list", "provider_kinds_retrieve", "tenants_list"}
STAFF_IN_PERSON = {"tenants_create"}
OWNER_IN_PERSON = {"tenants_delete"}
ANYBODY_IN_PERSON = {"invitations_accept"}

CHAT = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
FORM = {"kind": "localai", "base_url": "http://192.168.1.100:8080"}
# operation -> a body that it takes. `{provider}` and the like stand for ids of the caller's tenant.
BODIES: dict[str, Any] = {
    "api_keys_create": {"name": "ci", "scopes": ["infer"], "expires_at": None, "allowed_models": ["gpt-3.5-turbo"]},
    "api_keys_rotate": {"overlap_seconds": 3600},
    "api_keys_update": {"name": "renamed"},
    "credentials_create": {"name": "spare", "fields": {"api_key": "sk-spare-0123456789"}},
    "credentials_rotate": {"fields": {"api_key": "sk-next-0123456789"}, "grace_seconds": 60},
    "credentials_update": {"name": "renamed"},
    "default_models_update": {"llm": "{model}"},
    "form_validations_create": {**FORM, "level": "connect"},
    "invitations_accept": {},
    "invitations_create": {"email": "new@elsewhere.example", "role": "viewer"},
    "jobs_cancel": {},
    "jobs_create": {"model": "gpt-3.5-turbo", "operation": "chat.completions", "input": {"messages": CHAT["messages"]}},
    "members_create": {"email": "guest@elsewhere.example", "role": "viewer"},
    "members_update": {"role": "member"},
    "model_imports_create": {"models": [{"upstream_name": "phi-2", "name": "phi", "type": "llm"}]},
    "models_create": {"name": "second", "type": "llm", "provider": "{provider}"},
    "models_update": {"provider": "{provider}", "context_size": 4096},
    "openai_chat_completions_create": CHAT,
    "openai_completions_create": {"model": "gpt-3.5-turbo", "prompt": "Once upon a time"},
    "openai_embeddings_create": {"model": "ada", "input": ["password", "login"]},
    "openai_rerank_create": {"model": "ranker", "query": "lost password", "documents": ["Settings", "Weather"]},
    "openai_moderations_create": {"model": "judge", "input": "I will kill the process"},
    "openai_transcriptions_create": {"model": "listener", "language": "en"},
    "openai_translations_create": {"model": "listener"},
    "openai_speech_create": {"model": "speaker", "input": "Good morning."},
    "openai_images_generate": {"model": "painter", "prompt": "a red square"},
    "providers_create": {**FORM, "name": "second box"},
    "providers_update": {"name": "renamed"},
    "tenants_create": {"slug": "initrode", "name": "Initrode"},
    "tenants_update": {"name": "Acme Ltd"},
    "validations_create": {"level": "infer", "models": ["gpt-3.5-turbo"]},
}


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str  # with `{parameters}`
    described: Mapping[str, Any]  # as the document has it

    def __str__(self) -> str:
        return self.id

    @property
    def is_in_a_tenant(self) -> bool:
        return self.path.startswith(TENANT_PATH)

    @property
    def is_data_plane(self) -> bool:
        return self.path.startswith("/v1/")

    @property
    def takes_a_body(self) -> bool:
        return "requestBody" in self.described

    @property
    def names_a_row(self) -> bool:
        return self.is_in_a_tenant and self.path.count("{") > 1

    @property
    def query_parameters(self) -> list[str]:
        return [one["name"] for one in self.described.get("parameters", ()) if one["in"] == "query"]

    def at(self, ids: Mapping[str, object], **others: object) -> str:
        """The path filled in. Raises KeyError for a parameter that tests/security/world.py has no row for."""
        ids = {**ids, **others}
        if self.path.startswith(f"{TENANT_PATH}/validations"):
            ids = {**ids, "validation": ids["form_validation"]}
        return self.path.format(**ids)

    def body(self, ids: Mapping[str, object]) -> Any:
        """A right body, or None where the operation takes none."""
        return with_ids(BODIES[self.id], ids) if self.takes_a_body else None

    def sent(self, ids: Mapping[str, object]) -> dict[str, Any]:
        """The right body as httpx takes it; a form brings a file along."""
        body = self.body(ids)
        if not self.takes_a_body or "multipart/form-data" not in self.described["requestBody"]["content"]:
            return {"json": body}
        return {"data": body, "files": {"file": ("hello.wav", silent_wav(seconds=0.1), "audio/wav")}}

    @cached_property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of which one is needed in the tenant; none where being there is enough."""
        if self.id in SCOPES_BESIDE_DJANGO:
            return SCOPES_BESIDE_DJANGO[self.id]
        view = resolve(self.path).func.cls  # type: ignore[attr-defined]
        if issubclass(view, TenantView):
            scope = view.scopes[self.method.upper()]
            return () if scope == MEMBERSHIP else (scope,)
        assert self.id in FOR_ANYBODY_KNOWN | STAFF_IN_PERSON | ANYBODY_IN_PERSON, (
            f"{self.id}: say in this file who may call it"
        )
        return ()


def with_ids(body: Any, ids: Mapping[str, object]) -> Any:
    """The body with `{provider}` and the like filled in, wherever they stand as a whole value."""
    text = json.dumps(body)
    for name, row_id in ids.items():
        text = text.replace(f'"{{{name}}}"', f'"{row_id}"')
    return json.loads(text)


def operations_of(document: Mapping[str, Any]) -> list[Operation]:
    return list(_operations(document))


def _operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield Operation(item[method]["operationId"], method, path, item[method])
