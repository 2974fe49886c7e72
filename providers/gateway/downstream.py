"""The caller's side of a call: what is sent, when it must be sent, and whether anybody is still there.

One timer serves them all, so that a call which is answered at once pays for none of it: after a moment it begins to
watch for the caller's leaving; a stream that has no token yet is committed; a silent one gets a comment; a reader
who takes nothing is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, Literal

from django.conf import settings
from starlette.types import Receive, Send

from providers.gateway.openai_errors import Headers, Refusal
from providers.stopping import stopping

WATCH_AFTER_SECONDS: Final = 0.2
BEAT_SECONDS: Final = 1.0
LARGE_BYTES: Final = 16 * 1024  # a write after which a reader must take some before more is read for it
KEEPALIVE: Final = b": keepalive\n\n"
_STREAM_HEADERS: Final[Headers] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would collect the tokens
]

End = Literal["gone", "slow", "stopping"]


class Downstream:
    """For one call, in its own task, which it cancels when the caller leaves. `closed_by` then says why.

    `arrived` is when the request came; `commit_headers` gives what goes with an early 200, and None for unary calls,
    which never commit early.
    """

    def __init__(
        self, receive: Receive, send: Send, arrived: float, commit_headers: Callable[[], Headers] | None = None
    ) -> None:
        self.is_committed = False
        self.closed_by: End | None = None
        self._has_begun = False
        self._receive = receive
        self._send = send
        self._commit_headers = commit_headers
        self._arrived = arrived
        self._wrote_at = 0.0
        self.wrote_much = False  # with the last write
        self._writing_since: float | None = None
        self._stops_at: float | None = None
        self._turn: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._begin_watching)

    def close(self) -> None:
        """Stop watching. Nothing is sent any more."""
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._turn is not None:
            self._turn.cancel()

    # --- Sending ---
    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """The whole answer at once."""
        self._commit_headers = None
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, (b"content-length", b"%d" % len(body))],
            }
        )
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, headers: Headers) -> None:
        """The 200 of an answer that is passed on by `pass_on` as it comes, and is no stream of events."""
        self._has_begun = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def pass_on(self, data: bytes) -> None:
        await self._write(data)

    async def refuse(self, refusal: Refusal, headers: Headers) -> None:
        """A real HTTP error while that is possible; after the commit one error event, without `[DONE]`.

        An answer that has begun and holds no events has no place for words: it is cut off, so that nobody takes the
        part for the whole (the server closes the connection of an answer that was not finished).
        """
        if self._has_begun:
            return
        if self._turn is not None:
            await self._turn
        if not self.is_committed:
            await self.answer(refusal.status, [*refusal.headers, *headers], refusal.body)
            return
        await self.write(b"data: " + refusal.body + b"\n\n")
        await self.finish()

    async def write(self, data: bytes) -> None:
        """A part of the stream; the first one carries the 200 with it."""
        if self._turn is not None:
            await self._turn
        if not self.is_committed:
            await self._commit()
        await self._write(data)

    async def drained(self) -> None:
        """Wait until what was written is on its way. The server takes any write at once, and lets the next one wait."""
        await self._write(b"")

    async def finish(self) -> None:
        if self._turn is not None:
            await self._turn
        await self._send({"type": "http.response.body", "body": b""})

    async def _commit(self) -> None:
        self.is_committed = True
        assert self._commit_headers is not None
        headers = [*_STREAM_HEADERS, *self._commit_headers()]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _write(self, data: bytes) -> None:
        self._writing_since = monotonic()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self.wrote_much = len(data) > LARGE_BYTES
        self._writing_since = None
        self._wrote_at = monotonic()

    # --- Watching ---
    def _begin_watching(self) -> None:
        loop = asyncio.get_running_loop()
        self._watcher = loop.create_task(self._watch(), name="caller-watch")
        self._beat()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._end("gone")

    def _beat(self) -> None:
        now = monotonic()
        next_beat = BEAT_SECONDS
        if self._writing_since is not None and now - self._writing_since > settings.SLOW_READER_SECONDS:
            self._end("slow")
        elif self._commit_headers is not None and not self.is_committed:
            next_beat = min(BEAT_SECONDS, self._arrived + settings.COMMIT_AFTER_SECONDS - now)
            if next_beat <= 0:
                next_beat = BEAT_SECONDS
                self._take_turn(self._commit_early)
        elif self.is_committed and self._writing_since is None and now - self._wrote_at >= settings.KEEPALIVE_SECONDS:
            self._take_turn(lambda: self._write(KEEPALIVE))
        self._drain(now)
        self._timer = asyncio.get_running_loop().call_later(next_beat, self._beat)

    def _take_turn(self, send: Callable[[], Awaitable[None]]) -> None:
        """Send beside the call's own task, which waits for the end of it before it sends."""

        async def turn() -> None:
            try:
                await send()
            finally:
                self._turn = None

        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_task(turn(), name="caller-turn")

    async def _commit_early(self) -> None:
        if not self.is_committed and self._commit_headers is not None:
            await self._commit()
            await self._write(KEEPALIVE)

    def _drain(self, now: float) -> None:
        if not stopping.is_set():
            return
        if self._stops_at is None:
            self._stops_at = now + settings.WEB_DRAIN_SECONDS
        elif now >= self._stops_at:
            self._end("stopping")

    def _end(self, why: End) -> None:
        if self.closed_by is None and self._task is not None:
            self.closed_by = why
            self._task.cancel()
