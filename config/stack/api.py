"""A client of our own public API, as anyone could write it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx


class Refused(Exception):
    """The API said no; the message is what it said."""


class Api:
    """Paths beginning with `/v1` are the data plane's; others are below the tenant."""

    def __init__(self, url: str, tenant: str, key: str) -> None:
        self.tenant = tenant
        timeout = httpx.Timeout(30, read=600)  # a model that is loaded for the first time is silent for minutes
        headers = {"Authorization": f"Bearer {key}"}
        self.http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout, trust_env=False)

    async def get(self, path: str) -> dict[str, Any]:
        return await self._ask("GET", path)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._ask("POST", path, body)

    async def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._ask("PATCH", path, body)

    async def events(self, path: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """The name and the data of each event, until the stream ends."""
        async with self.http.stream("GET", self._path(path), headers={"Accept": "text/event-stream"}) as answer:
            if answer.status_code != 200:
                raise _refused(answer.status_code, await answer.aread())
            name, data = "message", ""
            async for line in answer.aiter_lines():
                if line.startswith("event:"):
                    name = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    data += line.removeprefix("data:").strip()
                elif not line and data:
                    yield name, json.loads(data)
                    name, data = "message", ""

    async def close(self) -> None:
        await self.http.aclose()

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = await self.http.request(method, self._path(path), json=body)
        if answer.is_error:
            raise _refused(answer.status_code, answer.content)
        parsed: dict[str, Any] = answer.json()
        return parsed

    def _path(self, path: str) -> str:
        return path if path.startswith("/v1/") else f"/api/v1/tenants/{self.tenant}{path}"


def _refused(status: int, body: bytes) -> Refused:
    try:
        problem = json.loads(body)
    except ValueError:
        return Refused(f"The API answered {status}.")
    error = problem.get("error") or {}
    text = problem.get("detail") or error.get("message") or problem.get("title") or ""
    return Refused(" ".join(part for part in (text, problem.get("hint")) if part) or f"The API answered {status}.")
