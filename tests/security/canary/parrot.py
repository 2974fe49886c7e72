"""A LocalAI that repeats what it was sent, in every place where a server has been seen to do so."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from urllib.parse import quote

from tests.fakes.http_server import Received, Wire
from tests.fakes.localai import FakeLocalAI

WELL = "answers"
MOODS = (
    "refuses with JSON",
    "fails with JSON",
    "fails with text",
    "fails with a page",
    "fails in the stream",
    "reports an error with 200",
    "redirects",
    "spells it otherwise",
    "names itself and its models after it",
)


@dataclass
class Parrot(FakeLocalAI):
    mood: str = WELL

    async def answer(self, request: Received, wire: Wire) -> None:
        key = request.key
        if self.mood == WELL or not key:
            return await super().answer(request, wire)
        said = f"the key {key} may not ask {prompt_in(request)}"
        headers = {"X-Echo": key, "X-Request-Id": key, "WWW-Authenticate": f"Bearer {key}", "Server": key}
        error = {"error": {"message": said, "type": "invalid_request_error", "code": key, "param": key}}
        if self.mood == "refuses with JSON":
            return await wire.send_json(401, error, headers)
        if self.mood == "fails with JSON":
            return await wire.send_json(500, error, headers)
        if self.mood == "fails with text":
            return await wire.send(500, said.encode(), "text/plain", headers)
        if self.mood == "fails with a page":
            return await wire.send(502, f"<html><title>{said}</title></html>".encode(), "text/html", headers)
        if self.mood == "reports an error with 200":
            return await wire.send_json(200, error, headers)
        if self.mood == "redirects":
            return await wire.send(302, said.encode(), "text/plain", {"Location": f"/?{key}", **headers})
        if self.mood == "names itself and its models after it":
            return await self._be_called(key, request, wire)
        if self.mood == "spells it otherwise":
            return await wire.send_json(500, {"error": {"message": spelt_otherwise(key)}}, headers)
        assert self.mood == "fails in the stream"
        return await self._fail_in_the_stream(wire, error)

    async def _be_called(self, key: str, request: Received, wire: Wire) -> None:
        """Nothing fails: the key stands where names and versions are read from."""
        if request.path == "/version":
            return await wire.send_json(200, {"version": f"v4.9.0 ({key})"})
        if request.path == "/v1/models":
            return await wire.send_json(200, {"object": "list", "data": [{"id": key, "object": "model"}]})
        return await wire.send_json(404, {"error": {"message": f"no {key}"}}, {"Server": key, "X-Echo": key})

    async def _fail_in_the_stream(self, wire: Wire, error: object) -> None:
        await wire.start("text/event-stream")
        await wire.write(f"data: {json.dumps(error)}\n\n".encode())
        await wire.finish()


def prompt_in(request: Received) -> str:
    if "json" not in request.headers.get("content-type", ""):
        return ""
    body = request.json
    return json.dumps(body.get("messages") or body.get("prompt") or body.get("input"))


def spelt_otherwise(key: str) -> str:
    basic = base64.b64encode(f"user:{key}".encode()).decode()
    return f"no such user: Basic {basic}, at /?api_key={quote(key, safe='')}"
