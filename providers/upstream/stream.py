"""One streamed answer: its frames within all deadlines and limits, and an upstream that is closed when we leave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Final, Self

import orjson

from providers.errors import BrokenOff, Malformed, ProviderError, TimedOut, UpstreamError
from providers.upstream.calls import SSE, Route
from providers.upstream.faults import exchange_fault, refuse_encoding
from providers.upstream.http1 import Broken, Connection, Source
from providers.upstream.sound_events import transcript_events
from providers.upstream.target import Timeouts
from providers.upstream.wire import (
    Frame,
    SseParser,
    chunk_of,
    classify_error,
    error_in_frame,
    excerpt,
    finishes,
    frame_of,
    is_meaningful,
    is_web_page,
)

MAX_STREAM_BYTES: Final = 64 * 1024 * 1024
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
LAST_BYTES_SECONDS: Final = 0.05  # after [DONE], for the end of the body: then the connection can be kept
_NEVER_EVENTS: Final = ("json", "html", "audio/")  # in a media type
_LAST_FRAMES: Final = 4  # the finish, the usage and the end mark are among them


class UpstreamStream:
    """Open it with `async with`: leaving closes the upstream at once, unless the answer has come to its end."""

    def __init__(
        self, route: Route, timeouts: Timeouts, head: bytes, content: bytes | Source, *, is_unary: bool = False
    ) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}  # case does not matter in names
        self.first_token_at: float | None = None  # loop time of the first meaningful frame, or of the first bytes
        self._route = route
        self._timeouts = timeouts
        self._head = head
        self._content = content
        self._is_unary = is_unary
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._total_at = 0.0
        self._patient_until = 0.0
        self._received_bytes = 0
        self._is_done = False
        self._last: list[Frame] = []

    # --- Opening and leaving ---
    async def __aenter__(self) -> Self:
        """Send the request and wait for the status. Raises UpstreamError; `sent` tells whether it may have arrived."""
        self._total_at = self._loop.time() + self._timeouts.total_seconds
        line = self._route.line
        connection = line.take() or await line.dial(min(self._timeouts.connect_seconds, self._timeouts.total_seconds))
        self._connection = connection
        began = self._loop.time()
        self._patient_until = began + self._timeouts.first_token_seconds
        if self._is_unary:
            self._patient_until = self._total_at
        try:
            if isinstance(self._content, bytes):
                connection.send(self._head, self._content)
            else:
                await connection.send_from(self._head, self._content, self._total_at)
                self._patient_until += self._loop.time() - began  # the wait for the first token begins now
            await connection.head(min(self._patient_until, self._total_at))
            refuse_encoding(connection.headers)
        except (Broken, TimeoutError) as cause:
            await self.aclose()
            raise self._fault(cause) from None
        except BaseException:
            await self.aclose()
            raise
        self.status, self.headers = connection.status, connection.headers
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._is_done:
                await self._read_last_bytes()
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the upstream now; a connection whose answer is complete is kept for the next call."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._route.line.give_back(connection)

    async def _read_last_bytes(self) -> None:
        deadline = self._loop.time() + LAST_BYTES_SECONDS
        with contextlib.suppress(Broken, TimeoutError):  # then the connection is of no more use; the answer is whole
            while self._connection is not None and await self._connection.read(deadline):
                pass

    # --- The body ---
    async def read_body(self, max_bytes: int = MAX_BODY_BYTES) -> bytes:
        """All that is left of the body, for answers that are no stream. Raises UpstreamError."""
        pieces: list[bytes] = []
        size = 0
        while piece := await self._read():
            pieces.append(piece)
            size += len(piece)
            if size > max_bytes:
                raise Malformed(message=f"The answer is larger than {max_bytes} bytes.")
        body = b"".join(pieces)
        return self._route.scrub(body) if self.status >= 400 or b"rror" in body[:1000] else body

    async def error(self) -> ProviderError:
        """Read the rest of a refusal and say what it means; for a status of 300 or above."""
        return classify_error(self.status, self.headers, await self.read_body())

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes as they come, for answers that are neither JSON nor events. Raises UpstreamError, also where the
        body ends before its time."""
        while piece := await self._read():
            if self.first_token_at is None:
                self.first_token_at = self._loop.time()
            yield piece
            self._be_patient()  # the reader's own slowness is not the server's

    async def frames(self) -> AsyncIterator[Frame]:
        """The frames up to and with the end mark. See `batches` for what it raises."""
        async for batch in self.batches():
            for frame in batch:
                yield frame

    async def batches(self) -> AsyncIterator[list[Frame]]:
        """The frames, those that arrived together in one list, fit to be passed on in one write.

        Raises TimedOut (first_token, idle, total); Malformed for a page, an oversized or an empty stream; BrokenOff
        for a stream that ends without an end mark or a finish reason. An error that the server reports comes as a
        frame: `error_in_frame` reads it.
        """
        media_type = self.headers.get("Content-Type", "").lower()
        if SSE not in media_type and any(sort in media_type for sort in _NEVER_EVENTS):
            yield await self._unstreamed()
            return
        parser = SseParser()
        blocks = 0
        while piece := await self._read():
            # Looking once at all that came is cheaper than looking at every frame.
            is_plain = not parser.is_inside and b"rror" not in piece
            frames = parser.feed(piece)
            if parser.blocks != blocks:  # whole events or comments: the server is alive, and does not drip
                blocks = parser.blocks
                self._be_patient()
            if frames:
                noted = [self._noted(frames, is_plain=is_plain)]
                del piece, frames  # nothing is held here for a reader who is slow
                yield noted.pop()
                if self._is_done:
                    return
                self._be_patient()  # the reader's own slowness is not the server's
        if frames := parser.finish():
            yield self._noted(frames)
        self._check_end()

    def _noted(self, frames: list[Frame], *, is_plain: bool = False) -> list[Frame]:
        """Look at new frames for the first token, the end, and, unless they are plain, for secrets in errors."""
        frames = self._up_to_the_end(frames if is_plain else [self._scrubbed(frame) for frame in frames])
        if self.first_token_at is None and any(is_meaningful(frame.parsed or {}) for frame in frames):
            self.first_token_at = self._loop.time()
        self._last = (self._last + frames)[-_LAST_FRAMES:] if len(frames) < _LAST_FRAMES else frames[-_LAST_FRAMES:]
        if self._is_done:
            self._check_end()
        return frames

    def _up_to_the_end(self, frames: list[Frame]) -> list[Frame]:
        """What comes after the end mark is left out."""
        for place, frame in enumerate(frames):
            if b"[DONE]" in frame.raw and frame.is_done:
                self._is_done = True
                return frames[: place + 1]
        return frames

    def _scrubbed(self, frame: Frame) -> Frame:
        if b"rror" not in frame.raw or not self._route.redactor.is_needed(frame.raw):
            return frame
        return Frame(self._route.scrub(frame.raw), self._route.scrub(frame.data), frame.event)

    def _check_end(self) -> None:
        """Success is an end mark or a finish reason after something was said; the end of the bytes alone is none."""
        if any(error_in_frame(frame) for frame in self._last):
            return  # the reader has it already
        if self.first_token_at is None:
            raise Malformed("empty_stream", evidence={"bytes": self._received_bytes})
        if not self._is_done and not any(finishes(frame.parsed or {}) for frame in self._last):
            raise BrokenOff(message="The stream ended before the answer did.")

    async def _unstreamed(self) -> list[Frame]:
        """What a server sends that was asked to stream and did not: a whole answer, an error, or a page."""
        body = await self.read_body()
        if is_web_page(self.headers, body):
            raise Malformed("web_page_not_api", evidence={"excerpt": excerpt(body)})
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            content = None
        if isinstance(content, dict) and content.get("choices"):
            frame = frame_of(orjson.dumps(chunk_of(content)))
            return self._noted([frame, frame_of(b"[DONE]")])
        if isinstance(content, dict) and isinstance(content.get("text"), str) and not content.get("error"):
            return self._noted([frame_of(orjson.dumps(event)) for event in transcript_events(content)])
        error = error_in_frame(Frame(b"", self._route.scrub(body))) if isinstance(content, dict) else None
        raise error or Malformed(
            message="The server was asked for a stream and sent something else.",
            evidence={"excerpt": excerpt(self._route.scrub(body))},
        )

    # --- Deadlines ---
    def _be_patient(self) -> None:
        if self.first_token_at is not None:
            self._patient_until = self._loop.time() + self._timeouts.idle_seconds

    async def _read(self) -> bytes:
        """The next bytes, or none at the end."""
        if self._connection is None:
            raise RuntimeError("The stream is not open.")
        try:
            piece = await self._connection.read(min(self._patient_until, self._total_at))
        except (Broken, TimeoutError) as cause:
            raise self._fault(cause) from None
        self._received_bytes += len(piece)
        if self._received_bytes > MAX_STREAM_BYTES:
            raise Malformed(message=f"The stream is larger than {MAX_STREAM_BYTES} bytes.")
        return piece

    def _fault(self, cause: Broken | TimeoutError) -> UpstreamError:
        if isinstance(cause, Broken):
            fault = exchange_fault(cause, self._route.host, self._route.port)
            return fault if self.first_token_at is None else BrokenOff(message=fault.message, evidence=fault.evidence)
        if self._total_at <= self._patient_until:  # by the clock it may be a little early: timers are
            return TimedOut("total", f"The call took longer than {self._timeouts.total_seconds:g} s.")
        if self.first_token_at is None:
            return TimedOut("first_token", f"No token came within {self._timeouts.first_token_seconds:g} s.")
        return TimedOut("idle", f"Nothing came for {self._timeouts.idle_seconds:g} s after the answer had begun.")
