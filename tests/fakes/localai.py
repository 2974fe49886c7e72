"""A LocalAI that does not think: its HTTP surface with a dial for every quirk its versions have shown.

    with FakeLocalAI() as fake:
        fake.dial.api_keys = {"right"}
        fake.dial.fail = "backend_not_found"
        fake.add("bge-m3", "embedding", dimensions=1024)
        …                                       # call fake.url
        assert fake.requests("/v1/chat/completions")[0].key == "right"

`fake.ledger` holds every request with its headers, body, and whether its client left early (`aborted_at`).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes import localai_inference
from tests.fakes.http_server import HttpServer, Received, Wire
from tests.fakes.localai_dial import PAGE, Dial
from tests.fakes.localai_failures import FAILURES, Failure, unknown_model
from tests.fakes.localai_models import FakeModel, seed_models
from tests.fakes.localai_sound import SOUND

OPEN_PATHS = {"/healthz", "/readyz", "/.well-known/localai.json", "/", "/app"}
ONLY_WITH_V1 = {"/v1/rerank", "/v1/tokenize"}  # these have no route without the prefix
ONLY_WITHOUT_V1 = {"/v1/tts"}
NOT_IN_RELEASE_1 = {"/v1/rerank", "/v1/tokenize", "/v1/moderations", "/v1/audio/speech"}
INFERENCE = {**localai_inference.INFERENCE, **SOUND}
NOT_FOUND = {"error": {"code": 404, "message": "Resource not found", "type": ""}}

Handler = Callable[[Received, Wire], Awaitable[None]]


@dataclass
class FakeLocalAI(HttpServer):
    dial: Dial = field(default_factory=Dial)
    models: dict[str, FakeModel] = field(default_factory=seed_models)

    def add(self, name: str, sort: str = "llm", **facts: Any) -> FakeModel:
        self.models[name] = FakeModel(name, sort, **facts)
        return self.models[name]

    async def answer(self, request: Received, wire: Wire) -> None:
        wire.piece_bytes = self.dial.piece_bytes
        if not await self._answered_in_front(request, wire):
            await self._route(request)(request, wire)

    async def _answered_in_front(self, request: Received, wire: Wire) -> bool:
        """What a proxy, a login page or LocalAI's own middlewares say before any handler runs."""
        dial = self.dial
        if dial.cut_before_status:
            wire.cut()
        elif dial.page_status is not None:
            await wire.send(dial.page_status, PAGE.encode(), "text/html; charset=utf-8")
        elif dial.redirect_to is not None:
            await wire.send(302, b"", "text/html", {"Location": dial.redirect_to})
        elif not request.path.startswith(dial.gateway_prefix):
            await wire.send(404, PAGE.encode(), "text/html")
        elif self._path(request) not in OPEN_PATHS and not self._may_enter(request):
            await self._refuse(wire)
        elif len(request.body) > dial.body_limit_bytes:
            await self._refuse_body(wire)
        else:
            return False
        return True

    def _path(self, request: Received) -> str:
        path = request.path.removeprefix(self.dial.gateway_prefix)
        return path.rstrip("/") or "/"

    def _route(self, request: Received) -> Handler:
        path = self._path(request)
        routes = {
            ("GET", "/healthz"): self._healthz,
            ("GET", "/readyz"): self._readyz,
            ("GET", "/version"): self._version,
            ("GET", "/.well-known/localai.json"): self._well_known,
            ("GET", "/v1/models"): self._list,
            ("GET", "/v1/models/capabilities"): self._capabilities,
            ("POST", "/api/show"): self._show,
            ("GET", "/system"): self._system,
            ("POST", "/backend/load"): self._load,
            ("GET", "/"): self._root,
            ("GET", "/app"): self._page,
        }
        prefixed = path if path.startswith("/v1/") else f"/v1{path}"
        if handler := routes.get((request.method, path)) or routes.get((request.method, prefixed)):
            return handler
        if path.startswith("/api/models/config-json/"):
            return self._config
        if request.method == "POST" and self._can_infer(path, prefixed):
            return self._infer
        return self._not_found

    def _can_infer(self, path: str, prefixed: str) -> bool:
        if prefixed not in INFERENCE or (self.dial.is_v1 and prefixed in NOT_IN_RELEASE_1):
            return False
        return prefixed not in (ONLY_WITHOUT_V1 if path == prefixed else ONLY_WITH_V1)

    # --- who may call ---
    def _may_enter(self, request: Received) -> bool:
        known = self.dial.api_keys | set(self.dial.user_keys)
        if not known:
            return True
        has_bearer = request.headers.get("authorization", "").startswith("Bearer ")
        return request.key in known and (has_bearer or not self.dial.is_v1)

    def _is_admin(self, request: Received) -> bool:
        return request.key in self.dial.api_keys or not (self.dial.api_keys or self.dial.user_keys)

    async def _refuse(self, wire: Wire) -> None:
        refusal = self.dial.refusal
        if refusal == "as_version":
            refusal = "fiber" if self.dial.is_v1 else "echo"
        if self.dial.opaque_errors:
            await wire.send(401, b"", "application/json")
        elif refusal == "echo":
            error = {"code": 401, "message": "An authentication key is required", "type": "invalid_request_error"}
            await wire.send_json(401, {"error": error}, {"WWW-Authenticate": "Bearer"})
        elif refusal == "fiber":
            await wire.send_json(401, {"message": "Invalid API key"})
        elif refusal == "missing_403":
            await wire.send_json(403, {"error": {"code": 403, "message": "missing or malformed API Key", "type": ""}})
        else:
            await wire.send(401, b"missing or malformed API Key", "text/plain; charset=utf-8")

    async def _refuse_body(self, wire: Wire) -> None:
        if self.dial.body_limit_page:
            page = b"<html><head><title>413 Request Entity Too Large</title></head></html>"
            await wire.send(413, page, "text/html")
        else:
            await self.fail(wire, Failure(413, "code=413, message=Request Entity Too Large"))

    async def fail(self, wire: Wire, failure: Failure) -> None:
        if self.dial.opaque_errors:
            await wire.send(failure.status, b"", "application/json", self._retry_after(failure))
        else:
            await wire.send_json(failure.status, failure.body(self.dial.error_code), self._retry_after(failure))

    def _retry_after(self, failure: Failure) -> dict[str, str]:
        if self.dial.retry_after is None:
            return failure.headers
        return {"Retry-After": self.dial.retry_after} if self.dial.retry_after else {}

    # --- machine and management ---
    async def _healthz(self, request: Received, wire: Wire) -> None:
        await wire.send(200, b"", "text/plain")

    async def _readyz(self, request: Received, wire: Wire) -> None:
        if self.dial.readiness == "ready" or self.dial.is_v1:
            await wire.send(200, b"", "text/plain")
        else:
            await wire.send_json(503, {"status": "starting", "reason": "startup preload in progress"})

    async def _version(self, request: Received, wire: Wire) -> None:
        if not self.dial.has_version:
            return await self._not_found(request, wire)
        return await wire.send_json(200, {"version": self.dial.product or f"{self.dial.version} (82c191afa)"})

    async def _well_known(self, request: Received, wire: Wire) -> None:
        if not self.dial.since(self.dial.has_well_known, (3, 9, 0)):
            return await self._not_found(request, wire)
        endpoints = {"models": "/v1/models", "version": "/version", "instructions": "/api/instructions"}
        facts = {"version": self.dial.version, "endpoints": endpoints, "capabilities": {"mcp": True}}
        return await wire.send_json(200, facts)

    async def _list(self, request: Received, wire: Wire) -> None:
        if self.dial.hang_listing:
            await wire.hang()
        lines = [{"id": name, "object": "model"} for name in self.models]
        await wire.send_json(200, self.dial.listing or {"object": "list", "data": lines})

    async def _capabilities(self, request: Received, wire: Wire) -> None:
        if not self.dial.since(self.dial.has_capabilities, (4, 6, 1)):
            return await self._not_found(request, wire)
        entries = [model.entry() for model in self.models.values()]
        return await wire.send_json(200, {"object": "list", "data": entries})

    async def _show(self, request: Received, wire: Wire) -> None:
        if not self.dial.since(self.dial.has_ollama_show, (4, 0, 0)):
            return await self._not_found(request, wire)
        name = str(request.json.get("name") or request.json.get("model")).split(":")[0]
        if model := self.models.get(name):
            return await wire.send_json(200, model.show())
        return await wire.send_json(404, {"error": f"model '{name}' not found"})

    async def _config(self, request: Received, wire: Wire) -> None:
        model = self.models.get(self._path(request).rsplit("/", 1)[1])
        if not self.dial.since(self.dial.has_admin_api, (3, 6, 0)) or not self.dial.web_ui or model is None:
            return await self._not_found(request, wire)
        if not self._is_admin(request):
            return await self.fail(wire, FAILURES["admin_required"])
        return await wire.send_json(200, model.config())

    async def _system(self, request: Received, wire: Wire) -> None:
        if not self.dial.since(self.dial.has_admin_api, (2, 0, 0)):
            return await self._not_found(request, wire)
        if not self._is_admin(request):
            return await self.fail(wire, FAILURES["admin_required"])
        loaded = [{"id": model.name} for model in self.models.values() if model.loaded]
        return await wire.send_json(200, {"backends": ["llama-cpp"], "loaded_models": loaded})

    async def _load(self, request: Received, wire: Wire) -> None:
        if not self.dial.since(self.dial.has_admin_api, (4, 6, 0)):
            return await self._not_found(request, wire)
        if not self._is_admin(request):
            return await self.fail(wire, FAILURES["admin_required"])
        name = request.json["model"]
        if failure := self.dial.next_failure():
            text = f"failed to load model: {failure.message}"
            return await wire.send_json(500, {"loaded": [], "message": text})
        await wire.pause_as_told(lambda: self.dial.cold_load_seconds)
        self.models[name].loaded = True
        return await wire.send_json(200, {"loaded": [name], "message": "model loaded"})

    async def _root(self, request: Received, wire: Wire) -> None:
        if not self.dial.web_ui:
            return await self._not_found(request, wire)
        return await wire.send(301, b"", "text/html", {"Location": "/app"})

    async def _page(self, request: Received, wire: Wire) -> None:
        await wire.send(200, PAGE.encode(), "text/html; charset=utf-8")

    async def _not_found(self, request: Received, wire: Wire) -> None:
        is_json = "json" in request.headers.get("content-type", "")
        if self.dial.web_ui and "text/html" in request.headers.get("accept", "") and not is_json:
            return await self._page(request, wire)
        return await wire.send_json(404, NOT_FOUND)

    # --- inference ---
    async def _infer(self, request: Received, wire: Wire) -> None:
        wire.drip_seconds = self.dial.drip_seconds
        path = self._path(request)
        sort, handler = INFERENCE[path if path.startswith("/v1/") else f"/v1{path}"]
        if self.dial.raw_answer is not None:
            status, media_type, content = self.dial.raw_answer
            return await wire.send(status, content, media_type)
        body = self._parse(request)
        if isinstance(body, Failure):
            return await self.fail(wire, body)
        model = self._find(str(body.get("model") or ""), sort)
        if isinstance(model, Failure):
            return await self.fail(wire, model)
        if refusal := self._right_to(request, model):
            return await self.fail(wire, refusal)
        return await handler(self, model, body, wire)

    def _parse(self, request: Received) -> dict[str, Any] | Failure:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            return multipart_fields(request)
        try:
            parsed = json.loads(request.body)
        except ValueError as error:
            return Failure(400, f"code=400, message=failed parsing request body: {error}")
        return parsed if isinstance(parsed, dict) else Failure(400, "code=400, message=Bad Request")

    def _find(self, name: str, sort: str) -> FakeModel | Failure:
        """Without a model the first that can chat is used; a name with a slash is not checked and fails in loading."""
        if not name:
            chats = [model for model in self.models.values() if model.sort in ("llm", "vision")]
            return chats[0] if chats and sort == "llm" else self._unknown("gpt-4o")
        model = self.models.get(name)
        if model is None:
            return self._unknown(name)
        return FAILURES["model_disabled"] if model.disabled else model

    def _unknown(self, name: str) -> FakeModel | Failure:
        if self.dial.since(self.dial.knows_unknown_models, (4, 1, 0)) and "/" not in name:
            return unknown_model(name)
        return Failure(500, f"could not load model - all backends returned error: [llama-cpp]: no such file {name}")

    def _right_to(self, request: Received, model: FakeModel) -> Failure | None:
        allowed = self.dial.user_keys.get(request.key or "", set())
        if not allowed or model.name in allowed:
            return None
        return Failure(403, f"access denied to model: {model.name}", "authorization_error")


def multipart_fields(request: Received) -> dict[str, Any]:
    """The fields of a form: text as text, a file as its bytes."""
    boundary = request.headers["content-type"].split("boundary=")[1].strip('"').encode()
    fields: dict[str, Any] = {}
    for part in request.body.split(b"--" + boundary)[1:-1]:
        head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = head.split(b'name="')[1].split(b'"')[0].decode()
        content = value.removesuffix(b"\r\n")
        fields[name] = content if b"filename=" in head else content.decode()
    return fields
