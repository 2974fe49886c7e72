"""One HTTP/1.1 connection to a model server: bytes out, a head and a body back. llhttp reads what comes in.

Small on purpose: no proxies, redirects, cookies, compression or pipelining. That, and one future for each wait,
makes a call cost a third of what it costs through a general client.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, Literal, Protocol, cast
from weakref import WeakKeyDictionary

import httptools

MAX_HEAD_BYTES: Final = 32 * 1024
READ_BYTES: Final = 32 * 1024  # at a time
PAUSE_ABOVE_BYTES: Final = 16 * 1024  # a slow reader's share of our memory is this and what one read brings
_SEND_TOGETHER_BYTES: Final = 64 * 1024

Reason = Literal["unsent", "closed", "reset", "cut_short", "not_http", "head_too_large"]


class Broken(Exception):
    """The exchange came to no end, for `reason`."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Source(Protocol):
    """A request's body that is read as it goes out. It can be asked for its pieces again: a call may be made twice."""

    def __len__(self) -> int: ...

    def pieces(self) -> AsyncIterator[bytes]: ...


class Headers(Mapping[str, str]):
    """The headers of an answer; case does not matter, and of a repeated one the values are joined. Read when asked."""

    __slots__ = ("_fields", "_raw")

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._fields: dict[str, str] | None = None

    def _read(self) -> dict[str, str]:
        if self._fields is None:
            self._fields = {}
            for name, value in self._raw:
                key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
                self._fields[key] = f"{self._fields[key]}, {text}" if key in self._fields else text
        return self._fields

    def __getitem__(self, name: str) -> str:
        return self._read()[name.lower()]

    def get(self, name: str, default: Any = None) -> Any:  # the inherited one raises and catches: three times as slow
        return self._read().get(name.lower(), default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


# What has just been read, for as long as it takes to look at it: nothing else runs meanwhile on the loop.
_buffers: WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = WeakKeyDictionary()


class Connection(asyncio.BufferedProtocol):
    """Used for one exchange after the other: `send`, `head`, `read` until it gives no bytes, then perhaps again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.rests_since = 0.0
        self.status = 0
        self.headers = Headers([])
        self.is_complete = True  # nothing is awaited: bytes that come now are nobody's answer
        self._loop = loop
        self._buffer = _buffers.get(loop) or _buffers.setdefault(loop, memoryview(bytearray(READ_BYTES)))
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._has_head = False
        self._may_stay = False
        self._fault: Reason | None = None
        self._pieces: list[bytes] = []
        self._raw_headers: list[tuple[bytes, bytes]] = []
        self._held_bytes = 0
        self._head_bytes = 0
        self._unread_head_bytes = 0
        self._is_paused = False
        self._is_sent = True
        self._may_write = True
        self._poll: select.poll | None = None

    # --- For whoever makes the call ---
    def send(self, head: bytes, body: bytes | None) -> None:
        """Write one request. Nothing is awaited: a server that does not read runs into the call's deadline."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise Broken("unsent")
        self._parser = httptools.HttpResponseParser(self)
        self._has_head = self.is_complete = self._may_stay = False
        self._raw_headers = []
        self._head_bytes = self._unread_head_bytes = 0
        if body is None or len(body) <= _SEND_TOGETHER_BYTES:
            transport.write(head + body if body else head)
        else:
            transport.write(head)
            transport.write(body)

    async def send_from(self, head: bytes, source: Source, deadline: float) -> None:
        """Write one request whose body is never held whole: it is read as fast as the server takes it.

        A server that answers before it has all is not sent the rest; the connection serves no other call then.
        """
        self.send(head, None)
        self._is_sent = False
        async for piece in source.pieces():
            if self._is_answered or self._transport is None or self._transport.is_closing():
                return
            self._transport.write(piece)
            while not (self._may_write or self._is_answered):
                await self._wait(deadline)
        self._is_sent = True

    @property
    def _is_answered(self) -> bool:
        return self._has_head or self._fault is not None

    async def head(self, deadline: float) -> None:
        """Wait for the status and the headers, until the loop's clock shows `deadline`. Raises Broken, TimeoutError."""
        while not self._has_head:
            await self._wait(deadline)

    async def read(self, deadline: float) -> bytes:
        """The bytes of the body that are there, or the next that come; none at its end. Raises Broken, TimeoutError."""
        while not self._pieces:
            if self.is_complete:
                return b""
            await self._wait(deadline)
        pieces, self._pieces = self._pieces, []
        self._held_bytes = 0
        if self._is_paused:
            self._is_paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def may_be_used_again(self) -> bool:
        """True when the last answer has been read to its end, and both sides can go on."""
        transport = self._transport
        is_over = self.is_complete and self._is_sent and self._may_stay and not self._pieces
        if not is_over or transport is None or transport.is_closing():
            return False
        return transport.get_write_buffer_size() == 0  # else it was answered before it had been sent

    @property
    def is_silent(self) -> bool:
        """True while nothing has come in that the event loop has not got round to: a server's goodbye, mostly."""
        if self._poll is None:
            assert self._transport is not None
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._poll.poll(0)

    def abort(self) -> None:
        """Close now. A polite close would wait for a peer that does not read."""
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self, deadline: float) -> None:
        if self._fault is not None:
            raise Broken(self._fault)
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_at(deadline, _expire, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _break(self, reason: Reason) -> None:
        self._fault = self._fault or reason
        self._wake()

    # --- For the event loop ---
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass of it

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.is_complete or self._parser is None:
            self.abort()  # an answer that nobody asked for: whose would it be?
            return
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._may_stay = False
            self.abort()
            if self.is_complete:
                self._wake()
            else:
                self._break("head_too_large" if self._head_bytes > MAX_HEAD_BYTES else "not_http")
            return
        if not self._has_head:
            self._unread_head_bytes += nbytes  # a line that does not end is seen by nobody but us
            if self._unread_head_bytes > MAX_HEAD_BYTES:
                self._break("head_too_large")
                self.abort()
            return
        if self._held_bytes > PAUSE_ABOVE_BYTES and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def pause_writing(self) -> None:
        self._may_write = False

    def resume_writing(self) -> None:
        self._may_write = True
        self._wake()

    def connection_lost(self, fault: Exception | None) -> None:
        self._transport = None
        if self._has_head and not self.is_complete and fault is None and self._ends_with_the_connection():
            self.is_complete = True
            self._wake()
        elif not self.is_complete:
            self._break("cut_short" if self._has_head else "closed" if fault is None else "reset")

    def _ends_with_the_connection(self) -> bool:
        names = {name.lower() for name, _ in self._raw_headers}
        return not names & {b"content-length", b"transfer-encoding"}

    # --- For the parser ---
    def on_message_begin(self) -> None:
        if self.is_complete:
            raise ValueError("A second answer to one request.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError("Too large a head.")
        if not self._has_head:  # trailers say nothing we need
            self._raw_headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status < 200:  # an interim answer; the real one follows
            self._raw_headers = []
            return
        self.status = status
        self.headers = Headers(self._raw_headers)
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._held_bytes += len(body)

    def on_message_complete(self) -> None:
        if self._has_head and self._parser is not None:
            self.is_complete = True
            self._may_stay = self._parser.should_keep_alive()


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
