"""The probe of a language model: a streamed chat, since that is what jobs and callers use most.

A stream hides failures (LocalAI sends them with status 200, its v1 not at all), so where it stays empty the same is
asked once more without streaming: that answer tells the reason. A model that cannot chat is tried with a completion.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from providers.errors import ProviderError
from providers.kinds import shapes
from providers.kinds.facts import ProbeResult
from providers.kinds.replies import read_object
from providers.upstream.wire import error_in_frame, is_meaningful

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.upstream.client import Reply, UpstreamClient, UpstreamStream
    from providers.upstream.target import Target

MAX_TOKENS: Final = 16
_ENOUGH_FRAMES: Final = 64  # a server that ignores max_tokens is left after so many
_TRY_COMPLETION: Final = {"model_type_mismatch", "path_not_found", "bad_response", "empty_stream"}


async def probe_llm(path_of: Callable[[str], str], client: UpstreamClient, target: Target, name: str) -> ProbeResult:
    try:
        return await _chat(path_of("chat.completions"), client, target, name)
    except ProviderError as fault:
        if fault.code not in _TRY_COMPLETION:
            raise
        if fault.code == "empty_stream" and await _chats_in_one_piece(
            path_of("chat.completions"), client, target, name
        ):
            raise
        if not await _completes(path_of("completions"), client, target, name):
            raise
        return ProbeResult(name, "llm", 0, mode="completion")


def _chat_body(name: str) -> dict[str, Any]:
    return {"model": name, "messages": [{"role": "user", "content": "ping"}], "max_tokens": MAX_TOKENS}


async def _chat(path: str, client: UpstreamClient, target: Target, name: str) -> ProbeResult:
    started = asyncio.get_running_loop().time()
    content = json.dumps({**_chat_body(name), "stream": True}).encode()
    async with client.stream(target, path, content=content) as upstream:
        await _follow(upstream)
        first_token_at = upstream.first_token_at or started
    return ProbeResult(name, "llm", 0, mode="chat", first_token_ms=round((first_token_at - started) * 1000))


async def _follow(upstream: UpstreamStream) -> None:
    """Read on until the answer ends, or has gone on long enough. Raises what the server says of a failure."""
    if upstream.status >= 300:
        raise await upstream.error()
    spoken = 0
    async for frame in upstream.frames():
        if fault := error_in_frame(frame):
            raise fault
        spoken += is_meaningful(frame.parsed or {})
        if spoken >= _ENOUGH_FRAMES:
            return


async def _chats_in_one_piece(path: str, client: UpstreamClient, target: Target, name: str) -> bool:
    """True where the same call has an answer unstreamed. Raises the error that the stream has hidden."""
    return shapes.chat_says_something(read_object(await _ask(client, target, path, _chat_body(name)), target.kind))


async def _completes(path: str, client: UpstreamClient, target: Target, name: str) -> bool:
    body = {"model": name, "prompt": "ping", "max_tokens": MAX_TOKENS}
    try:
        return shapes.completion_says_something(read_object(await _ask(client, target, path, body), target.kind))
    except ProviderError:
        return False


async def _ask(client: UpstreamClient, target: Target, path: str, body: dict[str, Any]) -> Reply:
    limit = min(target.timeouts.first_token_seconds, target.timeouts.total_seconds)
    return await client.fetch(target, "POST", path, json=body, total_seconds=limit)
