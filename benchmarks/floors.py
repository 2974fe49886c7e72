"""What the parts cost without us: pass a chat completion through, look one key up in a dict, nothing else.

Each is an ASGI app for uvicorn; `UPSTREAM` names the model server.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import orjson
from httpx_aiohttp import AiohttpTransport
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

URL = os.environ.get("UPSTREAM", "http://127.0.0.1:9") + "/v1/chat/completions"
KEYS = {os.environ.get("BENCH_KEY", "").encode(): "acme"}
JSON = [(b"content-type", b"application/json")]
EVENTS = [(b"content-type", b"text/event-stream")]


async def body_of(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def check_key(scope: Any) -> None:
    key = next(value for name, value in scope["headers"] if name == b"authorization")
    assert KEYS[key.removeprefix(b"Bearer ")]


class PlainAiohttp:
    """uvicorn, plain ASGI, an aiohttp session."""

    session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        if self.session is None:
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        check_key(scope)
        body = await body_of(receive)
        asked = orjson.loads(body)
        async with self.session.post(URL, data=body, headers={"content-type": "application/json"}) as answer:
            if not asked.get("stream"):
                await whole(send, await answer.read())
                return
            await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
            async for piece in answer.content.iter_any():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


class PlainTransport:
    """uvicorn, plain ASGI, httpx's transport API over aiohttp."""

    transport: AiohttpTransport | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        if self.transport is None:
            session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
            self.transport = AiohttpTransport(client=session, verify=False)
        check_key(scope)
        body = await body_of(receive)
        asked = orjson.loads(body)
        request = httpx.Request("POST", URL, content=body, headers={"content-type": "application/json"})
        answer = await self.transport.handle_async_request(request)
        try:
            if not asked.get("stream"):
                await whole(send, await answer.aread())
                return
            await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
            async for piece in answer.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await answer.aclose()


async def whole(send: Any, body: bytes) -> None:
    headers = [*JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


_client: httpx.AsyncClient | None = None


async def with_client(request: Request) -> Response:
    """Starlette, httpx.AsyncClient over aiohttp: what most teams would write."""
    global _client
    if _client is None:
        _client = httpx.AsyncClient(transport=AiohttpTransport(), timeout=60)
    check_key(request.scope)
    body = await request.body()
    headers = {"content-type": "application/json"}
    if not orjson.loads(body).get("stream"):
        answer = await _client.post(URL, content=body, headers=headers)
        return Response(answer.content, media_type="application/json")
    return StreamingResponse(pieces(_client, body, headers), media_type="text/event-stream")


async def pieces(client: httpx.AsyncClient, body: bytes, headers: dict[str, str]) -> AsyncIterator[bytes]:
    async with client.stream("POST", URL, content=body, headers=headers) as answer:
        async for piece in answer.aiter_raw():
            yield piece


plain_aiohttp = PlainAiohttp()
plain_transport = PlainTransport()
starlette = Starlette(routes=[Route("/v1/chat/completions", with_client, methods=["POST"])])
