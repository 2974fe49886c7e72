"""Whole answers, sent without a framework."""

from __future__ import annotations

from starlette.types import Send

from providers.gateway.openai_errors import Headers


async def answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
