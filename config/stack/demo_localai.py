"""A stand-in for LocalAI: its HTTP surface (as of v4.9) over real llama.cpp engines, for `bin/up` without a LocalAI.

    LOCALAI_API_KEY=… python -m config.stack.demo_localai --port 8080 --models DIR

It answers as LocalAI answers where that is odd: errors of a stream inside a 200, embeddings without `usage`, the
401 before the 404. What it does not have is 404.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from config.stack import demo_wire as wire
from config.stack import engines
from config.stack.demo_models import DemoUnavailable
from config.stack.engines import Engine

UPLOAD_LIMIT_BYTES = 15 * 1024 * 1024  # LocalAI's default
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/.well-known/localai.json"})


@dataclass
class Demo:
    """The models by their outer names, and the one client that talks to their engines."""

    models: dict[str, Engine]
    client: httpx.AsyncClient

    def find(self, name: object, *, default: str) -> Engine:
        name = name or default
        engine = self.models.get(name) if isinstance(name, str) else None
        if engine is None:
            raise wire.Refusal(404, wire.unknown_model(name), "invalid_request_error")
        return engine

    # --- what can be asked ---
    async def alive(self, _request: Request) -> Response:
        return Response(b"")

    async def version(self, _request: Request) -> Response:
        return JSONResponse({"version": engines.version()})

    async def well_known(self, _request: Request) -> Response:
        return JSONResponse({"version": engines.version(), "endpoints": wire.ENDPOINTS, "capabilities": {}})

    async def list_models(self, _request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})

    async def capabilities(self, _request: Request) -> Response:
        data = [wire.capabilities(engine.name, engine.is_embedding) for engine in self.models.values()]
        return JSONResponse({"object": "list", "data": data})

    # --- inference ---
    async def chat(self, request: Request) -> Response:
        body = await _body(request)
        engine = self.find(body.get("model"), default="gpt-3.5-turbo")  # the first chat-capable one, as LocalAI does
        if engine.is_embedding:
            return _failure(body, wire.Refusal(500, wire.NOT_FOR_CHAT, ""), wire.chat_error)
        return await self._infer(request, engine, "/v1/chat/completions", body, wire.chat_error)

    async def completions(self, request: Request) -> Response:
        body = await _body(request)
        engine = self.find(body.get("model"), default="gpt-4o")
        if engine.is_embedding:
            return _failure(body, wire.Refusal(500, wire.NOT_FOR_CHAT, ""), wire.completion_error)
        return await self._infer(request, engine, "/v1/completions", body, wire.completion_error)

    async def embeddings(self, request: Request) -> Response:
        body = {**await _body(request), "stream": False}
        engine = self.find(body.get("model"), default="gpt-4o")
        return await self._infer(request, engine, "/v1/embeddings", body, wire.chat_error)

    async def _infer(
        self, request: Request, engine: Engine, path: str, body: dict[str, Any], error: wire.ErrorFrames
    ) -> Response:
        asked = self.client.build_request("POST", engine.address + path, json={**body, "model": engine.name})
        if body.get("stream"):
            return StreamingResponse(self._frames(asked, body, error), media_type="text/event-stream")
        reply = await _unless_client_leaves(request, self.client.send(asked))
        if reply.status_code != 200:
            raise wire.refusal_of(reply.content)
        return JSONResponse(wire.whole(orjson.loads(reply.content), body.get("model") or engine.name))

    async def _frames(
        self, asked: httpx.Request, body: dict[str, Any], error: wire.ErrorFrames
    ) -> AsyncIterator[bytes]:
        """The engine's events in LocalAI's shape. A failure comes inside the 200: its status is long sent."""
        reply = await self.client.send(asked, stream=True)
        try:
            if reply.status_code != 200:
                for frame in error(wire.refusal_of(await reply.aread())):
                    yield frame
                return
            async for line in reply.aiter_lines():
                if line.startswith("data: "):
                    yield wire.frame(line.removeprefix("data: "), body)
        finally:
            await reply.aclose()  # a client that left: the engine stops generating

    def routes(self) -> list[Route]:
        both = [("/chat/completions", self.chat), ("/completions", self.completions), ("/embeddings", self.embeddings)]
        asked = [("/models", self.list_models), ("/models/capabilities", self.capabilities)]
        return [
            Route("/healthz", self.alive),
            Route("/readyz", self.alive),
            Route("/version", self.version),
            Route("/.well-known/localai.json", self.well_known),
            *(Route(prefix + path, handler, methods=["POST"]) for path, handler in both for prefix in ("/v1", "")),
            *(Route(prefix + path, handler) for path, handler in asked for prefix in ("/v1", "")),
        ]


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if len(raw) > UPLOAD_LIMIT_BYTES:
        raise wire.Refusal(413, "code=413, message=Request Entity Too Large", "")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise wire.Refusal(400, f"code=400, message=failed parsing request body: {error}", "") from None
    if not isinstance(body, dict):
        raise wire.Refusal(400, "code=400, message=failed parsing request body: not an object", "")
    return body


def _failure(body: dict[str, Any], refusal: wire.Refusal, error: wire.ErrorFrames) -> Response:
    if body.get("stream"):
        return Response(b"".join(error(refusal)), media_type="text/event-stream")
    raise refusal


async def _unless_client_leaves(request: Request, reply: Awaitable[httpx.Response]) -> httpx.Response:
    """The reply; or, once the client has gone, the engine's connection is closed and it stops generating."""
    answering = asyncio.ensure_future(reply)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise wire.Refusal(499, "client closed request", "")
        return answering.result()
    finally:
        answering.cancel()
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Door:
    """LocalAI's own manners in front of every route: the key, the correlation id, the trailing slash."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self.app = app
        self.key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].rstrip("/") or "/"
        headers = dict(scope["headers"])
        if path not in OPEN_PATHS and not self._may_enter(headers):
            await wire.refused_without_key()(scope, receive, send)
            return
        await self.app({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    def _may_enter(self, headers: dict[bytes, bytes]) -> bool:
        shown = (headers.get(name, b"") for name in (b"authorization", b"x-api-key", b"xi-api-key"))
        return any(hmac.compare_digest(value.removeprefix(b"Bearer "), self.key) for value in shown)


async def _not_found(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return wire.error_response(error.status_code, "Resource not found" if error.status_code == 404 else error.detail)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, wire.Refusal)
    return wire.error_response(error.status, error.message, error.type)


def app(models: Sequence[Engine], *, engine_key: str, api_key: str) -> ASGIApp:
    timeout = httpx.Timeout(None, connect=5)  # LocalAI never times a request out
    client = httpx.AsyncClient(headers={"Authorization": f"Bearer {engine_key}"}, timeout=timeout, trust_env=False)
    demo = Demo({engine.name: engine for engine in models}, client)
    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]]
    handlers = {HTTPException: _not_found, wire.Refusal: _refused}
    return Door(Starlette(routes=demo.routes(), exception_handlers=handlers), api_key)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--models", type=Path, required=True, help="where the converted model is kept")
    chosen = arguments.parse_args()
    engine_key = engines.new_key()
    try:
        engines.require()
        models = [engines.start_chat(engine_key), engines.start_embedding(engine_key, chosen.models)]
    except DemoUnavailable as reason:
        sys.exit(str(reason))
    served = app(models, engine_key=engine_key, api_key=os.environ["LOCALAI_API_KEY"])
    uvicorn.run(served, host="127.0.0.1", port=chosen.port, log_level="warning", timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()
