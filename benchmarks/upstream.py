"""A model server that costs nothing: it answers at once, so that what is measured is what stands before it.

A chat completion of about 600 bytes, or with `stream` a stream of one chunk. What else is wanted stands in the prompt,
which every proxy passes on: `[chunks=64]` in one burst, `[chunks=64 pace_ms=20]` one by one, each with its time.
A GET, such as of `/calls`, tells how many it has answered.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from functools import cache
from typing import cast

import uvloop

MODEL = "bench-upstream"
WANTED = re.compile(rb"\[chunks=(\d+)(?: pace_ms=(\d+))?\]")
STREAMED = re.compile(rb'"stream": ?true')
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def whole(content: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


@cache
def completion() -> bytes:
    message = {"role": "assistant", "content": "The sky is blue because of Rayleigh scattering. " * 6}
    body = {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1795000000,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 64, "total_tokens": 76},
    }
    return whole(json.dumps(body, separators=(",", ":")).encode())


@cache
def stream(chunks: int, counted: bool) -> bytes:
    parts = [opening(), *(event({"content": f" word{number}"}, None) for number in range(chunks))]
    return STREAM_HEAD + b"".join(map(chunked, parts)) + closing(chunks, counted)


def opening() -> bytes:
    return event({"role": "assistant"}, None)


@cache
def closing(chunks: int, counted: bool) -> bytes:
    parts = [event({}, "stop")]
    if counted:
        usage = {"prompt_tokens": 12, "completion_tokens": chunks, "total_tokens": 12 + chunks}
        parts.append(sse({**shell(), "choices": [], "usage": usage}))
    parts.append(b"data: [DONE]\n\n")
    return b"".join(map(chunked, parts)) + b"0\r\n\r\n"


def chunked(part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part)


def shell() -> dict[str, object]:
    return {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1795000000, "model": MODEL}


def event(delta: dict[str, str], finish: str | None) -> bytes:
    return sse({**shell(), "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def sse(content: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n"


BEFORE_STAMP, AFTER_STAMP = event({"content": "STAMP"}, None).split(b"STAMP")


class Server(asyncio.Protocol):
    """Reads just enough HTTP to find the body."""

    calls = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            if not head.startswith(b"post "):
                self.transport.write(whole(json.dumps({"calls": Server.calls}).encode()))
            else:
                self.answer(body)

    def answer(self, body: bytes) -> None:
        Server.calls += 1
        if not STREAMED.search(body):
            self.transport.write(completion())
            return
        wanted = WANTED.search(body)
        chunks = int(wanted[1]) if wanted else 1
        counted = b"include_usage" in body
        if wanted is None or wanted[2] is None:
            self.transport.write(stream(chunks, counted))
            return
        self.transport.write(STREAM_HEAD + chunked(opening()))
        pace_seconds = int(wanted[2]) / 1000
        loop = asyncio.get_running_loop()
        loop.call_later(pace_seconds, self.next_chunk, 0, chunks, loop.time() + pace_seconds, pace_seconds, counted)

    def next_chunk(self, number: int, chunks: int, due: float, pace_seconds: float, counted: bool) -> None:
        if self.transport.is_closing():
            return
        if number == chunks:
            self.transport.write(closing(chunks, counted))
            return
        self.transport.write(chunked(b"%s %d:%d%s" % (BEFORE_STAMP, number, time.monotonic_ns(), AFTER_STAMP)))
        loop, due = asyncio.get_running_loop(), due + pace_seconds
        loop.call_at(due, self.next_chunk, number + 1, chunks, due, pace_seconds, counted)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
