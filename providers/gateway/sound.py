"""A call whose answer is sound: the server's bytes go to the caller as they come, and nothing holds the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from providers.errors import Malformed
from providers.gateway.calls import Call
from providers.gateway.downstream import Downstream
from providers.gateway.openai_errors import Headers
from providers.gateway.retries import repeated
from providers.gateway.upstreams import opening
from providers.upstream.client import UpstreamStream
from providers.upstream.wire import excerpt, is_web_page, no_json, read_json_object

_WORDS: Final = ("application/json", "application/problem+json", "text/")  # media types that no sound has


async def answer_sound(call: Call, downstream: Downstream) -> None:
    """Raises ProviderError; what was passed on until then is a part of the sound."""
    await repeated(call, lambda: _relay(call, downstream))


async def _relay(call: Call, downstream: Downstream) -> None:
    async with opening(call, accept="*/*") as upstream:
        if upstream.status != 200:
            raise await upstream.error()
        if upstream.headers.get("content-type", "").lower().startswith(_WORDS):
            await _refuse_words(upstream)
        async for piece in upstream.pieces():
            if call.first_token_ms is None:
                await _begin(call, downstream, upstream.headers, piece)
            await downstream.pass_on(piece)
        if call.first_token_ms is None:
            raise Malformed(message="The server's answer holds no sound.")
        await downstream.finish()


async def _refuse_words(upstream: UpstreamStream) -> None:
    """Raises the error that a server tells with a 200, or Malformed."""
    body = await upstream.read_body()
    if not is_web_page(upstream.headers, body):
        read_json_object(body, upstream.headers)
        raise Malformed(message="The server answered JSON where sound was due.", evidence={"excerpt": excerpt(body)})
    raise no_json(body, upstream.headers)


async def _begin(call: Call, downstream: Downstream, said: Mapping[str, str], first: bytes) -> None:
    if is_web_page(said, first):
        raise no_json(first, said)
    call.count = lambda: call.estimate(0)
    call.note_first_token()
    headers: Headers = [(b"content-type", said.get("content-type", "application/octet-stream").encode("latin-1"))]
    if length := said.get("content-length"):
        headers.append((b"content-length", length.encode("latin-1")))
    await downstream.begin([*headers, *call.headers()])
