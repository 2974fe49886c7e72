"""A real HTTP/1.1 server on a real port, in a thread of its own, whose handlers may misbehave byte by byte."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

LOOK_SECONDS = 0.02  # how often a pause looks whether it was cut short


class ClientGone(Exception):
    """The client closed its connection while the answer was being made."""


@dataclass
class Received:
    """One request as it came in, and what became of it. Times are `time.monotonic()`."""

    number: int
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    started_at: float
    ended_at: float | None = None
    aborted_at: float | None = None  # the client left before the answer was complete
    status: int | None = None
    bytes_sent: int = 0
    hangs: bool = False  # nothing more is said until the client leaves
    connection: int = 0
    peer_port: int = 0

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def key(self) -> str | None:
        """The secret that came with it, in whichever header."""
        value = self.headers.get("authorization") or self.headers.get("x-api-key") or self.headers.get("xi-api-key")
        return value.removeprefix("Bearer ") if value else None


class Wire:
    """Writes one answer. Every write and wait raises `ClientGone` as soon as the client has left."""

    def __init__(self, writer: asyncio.StreamWriter, gone: asyncio.Event, request: Received) -> None:
        self._writer = writer
        self._gone = gone
        self._request = request
        self._chunked = False
        self.drip_seconds = 0.0  # between two pieces of a body
        self.piece_bytes: int | None = None  # write bodies in pieces of this size
        self.is_cut = False  # the connection ends in the middle of the answer
        self.closes = False  # the connection ends with the answer
        self.tokens_sent = 0

    async def send(self, status: int, body: bytes, media_type: str, headers: Mapping[str, str] | None = None) -> None:
        fields = {"Content-Type": media_type, "Content-Length": str(len(body)), **(headers or {})}
        await self._head(status, fields)
        await self._write(body)

    async def send_json(self, status: int, content: Any, headers: Mapping[str, str] | None = None) -> None:
        await self.send(status, json.dumps(content).encode() + b"\n", "application/json; charset=UTF-8", headers)

    async def start(self, media_type: str, *, close_delimited: bool = False, status: int = 200) -> None:
        """Begin a body of unknown length: in chunks, or ended by closing the connection."""
        self._chunked = not close_delimited
        framing = {"Connection": "close"} if close_delimited else {"Transfer-Encoding": "chunked"}
        self.closes = close_delimited
        await self._head(status, {"Content-Type": media_type, "Cache-Control": "no-cache", **framing})

    async def write(self, data: bytes) -> None:
        if self._chunked and self.piece_bytes is None:
            await self._write(b"%x\r\n%s\r\n" % (len(data), data))
        elif self._chunked:
            for piece in self._pieces(data):
                await self._write(b"%x\r\n%s\r\n" % (len(piece), piece), whole=True)
                if self.drip_seconds:
                    await self.pause(self.drip_seconds)
        else:
            await self._write(data)

    async def raw(self, data: bytes) -> None:
        """Bytes as they are: no head, no framing."""
        await self._write(data, whole=True)

    async def finish(self) -> None:
        if self._chunked:
            await self._write(b"0\r\n\r\n", whole=True)

    async def pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._gone.wait(), seconds)
        except TimeoutError:
            return
        raise ClientGone

    async def pause_as_told(self, seconds: Callable[[], float]) -> None:
        """As long as a figure says, which a test may turn down meanwhile: then it ends."""
        began_at = time.monotonic()
        while (left := seconds() - (time.monotonic() - began_at)) > 0:
            await self.pause(min(left, LOOK_SECONDS))

    async def hang(self) -> None:
        """Say nothing more until the client leaves."""
        self._request.hangs = True
        await self._gone.wait()
        raise ClientGone

    def cut(self) -> None:
        """End the connection politely (FIN) in the middle of the answer."""
        self.is_cut = True

    def reset(self) -> None:
        """End the connection rudely (RST)."""
        self.is_cut = True
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _head(self, status: int, fields: Mapping[str, str]) -> None:
        self._request.status = status
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Status"
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in fields.items())]
        await self._write("\r\n".join([*lines, "", ""]).encode("latin-1"), whole=True)

    def _pieces(self, data: bytes) -> list[bytes]:
        size = self.piece_bytes or max(len(data), 1)
        return [data[start : start + size] for start in range(0, len(data), size)]

    async def _write(self, data: bytes, *, whole: bool = False) -> None:
        for piece in [data] if whole else self._pieces(data):
            if self._gone.is_set():
                raise ClientGone
            self._writer.write(piece)
            await self._writer.drain()
            self._request.bytes_sent += len(piece)
            if self.drip_seconds and not whole:
                await self.pause(self.drip_seconds)


class _Watching(asyncio.StreamReaderProtocol):
    """Tells at once when the other side has gone, also while nobody reads."""

    def __init__(self, reader: asyncio.StreamReader, connected: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, connected, loop=loop)
        self.gone = asyncio.Event()

    def eof_received(self) -> bool:
        self.gone.set()
        super().eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        super().connection_lost(exc)


@dataclass
class HttpServer:
    """`with SomeServer() as server: server.url`. Subclasses write `answer`; `ledger` holds every request."""

    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    reserved: socket.socket | None = None  # bound, and not yet listening: it is listened on in place of host and port
    ledger: list[Received] = field(default_factory=list)
    connections: int = 0  # accepted so far

    @property
    def open_connections(self) -> int:
        return len(self._open)

    async def answer(self, request: Received, wire: Wire) -> None:
        raise NotImplementedError

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def requests(self, path: str) -> list[Received]:
        return [request for request in self.ledger if request.path == path]

    def wait_for(self, condition: Callable[[], Any], seconds: float = 30.0) -> Any:
        """The condition's first true value. Fails after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.005)
        raise AssertionError(f"not seen within {seconds} s; the ledger: {self.ledger!r}")

    def start(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True, name=type(self).__name__)
        self._thread.start()
        assert started.wait(60), "the fake did not start"
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(30)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _run(self, started: threading.Event) -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()
        place = {"sock": self.reserved} if self.reserved else {"host": self.host, "port": self.port}
        server = await self._loop.create_server(self._protocol, **place, ssl=self.tls)  # type: ignore[call-overload]
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await self._stopping.wait()
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _protocol(self) -> _Watching:
        reader = asyncio.StreamReader(limit=2**20)

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(self._connection(reader, writer, protocol.gone))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

        protocol = _Watching(reader, connected, self._loop)
        return protocol

    async def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event
    ) -> None:
        self.connections += 1
        number = self.connections
        try:
            while (request := await self._read(reader, writer)) is not None:
                request.connection = number
                request.peer_port = writer.get_extra_info("peername")[1]
                if not await self._answer_one(request, Wire(writer, gone, request)):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer_one(self, request: Received, wire: Wire) -> bool:
        """True where the connection may carry another request."""
        self.ledger.append(request)
        try:
            await self.answer(request, wire)
        except (ClientGone, ConnectionError):
            request.aborted_at = time.monotonic()
            return False
        request.ended_at = time.monotonic()
        return not (wire.is_cut or wire.closes)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Received | None:
        try:
            first_byte = await reader.readexactly(1)
            if first_byte == b"\x16":  # a TLS greeting: Go's server answers in plain text and hangs up
                writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request")
                return None
            head = first_byte + await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("expect") == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await self._read_body(reader, headers)
        return Received(len(self.ledger) + 1, method, target, headers, body, time.monotonic())

    async def _read_body(self, reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await reader.readexactly(int(headers.get("content-length", "0")))
        body = b""
        while size := int((await reader.readline()).strip(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return body
