"""A call whose answer is a transcript: JSON, or text in the format that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from providers.errors import Malformed
from providers.gateway.calls import Call
from providers.gateway.downstream import Downstream
from providers.gateway.openai_errors import JSON, Headers
from providers.gateway.retries import repeated
from providers.gateway.upstreams import fetch
from providers.upstream.client import Reply
from providers.upstream.wire import Usage, excerpt, is_web_page, no_json, read_json_object, usage_of

_JSON_FORMATS: Final = frozenset({"json", "verbose_json", "diarized_json"})
_TEXT: Final = b"text/plain; charset=utf-8"


async def answer_transcript(call: Call, downstream: Downstream) -> None:
    """Raises ProviderError; nothing has been said to the caller then."""
    reply = await repeated(call, lambda: fetch(call))
    media_type, body, used = transcript(reply, str(call.body.get("response_format") or "json"))
    call.count = lambda: used or _estimated(call, body)
    headers: Headers = [JSON if media_type is None else (b"content-type", media_type), *call.headers()]
    await downstream.answer(200, headers, body)


def _estimated(call: Call, body: bytes) -> Usage:
    return call.estimate(len(body) // 4)  # about four bytes of text a token


def transcript(reply: Reply, wanted: str) -> tuple[bytes | None, bytes, Usage | None]:
    """Its media type (None: JSON), its bytes, and what the server counted. Raises ProviderError for what is none."""
    if wanted in _JSON_FORMATS:
        content = read_json_object(reply.body, reply.headers)
        _text_in(content, reply.body)
        return None, reply.body, usage_of(content)
    if is_web_page(reply.headers, reply.body):
        raise no_json(reply.body, reply.headers)
    if _is_json(reply.headers):
        return _from_json(reply, wanted)
    said = reply.headers.get("content-type", "")
    return said.encode("latin-1") if said.startswith("text/") else _TEXT, reply.body, None


def _from_json(reply: Reply, wanted: str) -> tuple[bytes, bytes, Usage | None]:
    """A server that knows no format but JSON can still give the plain text."""
    content = read_json_object(reply.body, reply.headers)
    text = _text_in(content, reply.body)
    if wanted != "text":
        told = f"The server answered JSON where {wanted} was asked for."
        raise Malformed(message=told, evidence={"excerpt": excerpt(reply.body)})
    return _TEXT, f"{text}\n".encode(), usage_of(content)


def _text_in(content: Mapping[str, object], raw: bytes) -> str:
    text = content.get("text")
    if not isinstance(text, str):
        raise Malformed(message="The server's answer holds no text.", evidence={"excerpt": excerpt(raw)})
    return text


def _is_json(headers: Mapping[str, str]) -> bool:
    return "json" in str(headers.get("content-type", "")).lower()
