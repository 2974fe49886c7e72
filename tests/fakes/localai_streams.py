"""The fake's event streams, in the framing of v1.24 and of today, with every way they have been seen to go wrong."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from tests.fakes.http_server import Wire
from tests.fakes.localai_failures import Failure

if TYPE_CHECKING:
    from tests.fakes.localai import FakeLocalAI

ID = "9f8c1c2e-5b1d-4a53-9d0e-1f2a3b4c5d6e"
ZERO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
Chunk = dict[str, Any]


def event(content: Chunk) -> bytes:
    return f"data: {json.dumps(content)}\n\n".encode()


def usage_of(fake: FakeLocalAI, body: Chunk) -> Chunk:
    asked = len(json.dumps(body.get("messages") or body.get("prompt") or "").split())
    made = 0 if fake.dial.empty_stream else len(fake.dial.tokens) + len(fake.dial.reasoning_tokens)
    return {"prompt_tokens": asked, "completion_tokens": made, "total_tokens": asked + made}


async def stream_chat(fake: FakeLocalAI, body: Chunk, wire: Wire, failure: Failure | None) -> None:
    """Status 200 is out before anything can fail: what fails is told in the stream, or, by v1.24, not at all."""
    await wire.start("text/event-stream", close_delimited=fake.dial.close_delimited)
    if failure and fake.dial.is_v1:
        await wire.write(event(_chunk(fake, body, {"role": "assistant", "content": ""})))
        await wire.write(event(_finish(fake, body)))
    else:
        async for piece in _chat_events(fake, body, failure):
            await _paced(fake, wire, piece)
            if wire.is_cut:
                return
    await _end(fake, wire)


async def _chat_events(fake: FakeLocalAI, body: Chunk, failure: Failure | None) -> AsyncIterator[Chunk | None]:
    """Chunks in order; None marks a place where a token has just gone out."""
    dial = fake.dial
    role: Chunk = {"role": "assistant", "content": None}
    if dial.role_chunks_early:
        yield _chunk(fake, body, role)
    tokens = _deltas(fake) if failure is None else _deltas(fake)[: dial.fail_after_tokens]
    if tokens and not dial.role_chunks_early:
        yield _chunk(fake, body, role)  # only now: with the first token
    for _ in range(dial.empty_deltas):
        yield _chunk(fake, body, {"content": None})
    for delta in tokens:
        yield _chunk(fake, body, delta)
        yield None
    if failure:
        yield failure.event(dial.error_code)
        return
    if dial.mcp_event:
        yield {"type": "mcp_tool_result", "name": "search", "result": "nothing"}
    if not dial.omit_finish:
        yield _finish(fake, body)
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    if asked and not dial.is_v1 and not dial.omit_usage:
        yield {**_chunk(fake, body, {}), "choices": [], "usage": usage_of(fake, body)}


def _deltas(fake: FakeLocalAI) -> list[Chunk]:
    dial = fake.dial
    if dial.empty_stream:
        return []
    thoughts: list[Chunk] = [{"content": None, "reasoning": text} for text in dial.reasoning_tokens]
    if not dial.tool_calls:
        return thoughts + [{"content": text} for text in dial.tokens]
    calls: list[Chunk] = []
    for at, (name, arguments) in enumerate(dial.tool_calls):  # the name first, its arguments in a chunk of their own
        call = {"index": at, "id": ID, "type": "function"}
        calls.append({"content": None, "tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]})
        calls.append({"content": None, "tool_calls": [{**call, "function": {"arguments": arguments}}]})
    return thoughts + calls


def _chunk(fake: FakeLocalAI, body: Chunk, delta: Chunk) -> Chunk:
    dial = fake.dial
    if dial.is_v1:
        delta = {name: value for name, value in delta.items() if value is not None}
        content: Chunk = {"object": "chat.completion.chunk", "model": body.get("model", "")}
        return {**content, "choices": [{"index": 0, "delta": delta}], "usage": ZERO_USAGE}
    content = {"created": int(time.time()), "object": "chat.completion.chunk", "id": ID, "model": body.get("model", "")}
    if dial.omit_ids:
        del content["id"], content["created"]
    content["choices"] = [{"index": 0, "finish_reason": None, "delta": delta}]
    if dial.usage_in_every_chunk or (dial.usage_in_every_chunk is None and dial.release < (4, 2, 5)):
        content["usage"] = ZERO_USAGE
    return content


def _finish(fake: FakeLocalAI, body: Chunk) -> Chunk:
    has_calls = fake.dial.tool_calls or fake.dial.tool_calls_claimed
    chunk = _chunk(fake, body, {"content": "" if fake.dial.is_v1 else None})
    chunk["choices"][0]["finish_reason"] = "tool_calls" if has_calls else fake.dial.finish_reason
    return chunk


async def _paced(fake: FakeLocalAI, wire: Wire, piece: Chunk | None) -> None:
    """Write one chunk, or after a token wait, stall, cut or reset as the dial says."""
    dial = fake.dial
    if piece is not None:
        return await wire.write(event(piece))
    wire.tokens_sent += 1
    if dial.comments:
        await wire.write(b": keepalive\n\n")
    if dial.reset_after_tokens == wire.tokens_sent:
        return wire.reset()
    if dial.cut_after_tokens == wire.tokens_sent:
        return wire.cut()
    if dial.stall_after_tokens == wire.tokens_sent:
        await wire.hang()
    await wire.pause_as_told(lambda: dial.token_delay_seconds)
    return None


async def _end(fake: FakeLocalAI, wire: Wire) -> None:
    if not fake.dial.omit_done:
        await wire.write(b"data: [DONE]\n\n")
    await wire.finish()


async def stream_completion(fake: FakeLocalAI, body: Chunk, wire: Wire, failure: Failure | None) -> None:
    """A failure is an ordinary chunk whose text begins "Internal error:", and then no [DONE]."""
    dial = fake.dial
    await wire.start("text/event-stream", close_delimited=dial.close_delimited)
    tokens = dial.tokens if failure is None else dial.tokens[: dial.fail_after_tokens]
    for text in () if dial.empty_stream else tokens:
        await _paced(fake, wire, _text_chunk(body, text, None))
        await _paced(fake, wire, None)
        if wire.is_cut:
            return
    if failure:
        await wire.write(event(_text_chunk(body, f"Internal error: {failure.message}", "stop")))
        await wire.finish()
    else:
        await wire.write(event(_text_chunk(body, "", dial.finish_reason)))
        await _end(fake, wire)


def _text_chunk(body: Chunk, text: str, finish: str | None) -> Chunk:
    choice = {"index": 0, "text": text, "finish_reason": finish}
    return {"created": 1, "object": "text_completion", "id": ID, "model": body.get("model", ""), "choices": [choice]}
