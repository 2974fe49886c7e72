"""A TCP proxy that harms what goes through it, with Toxiproxy's names for the harms.

`with ToxicProxy(target) as proxy: proxy.add(Latency(0.5)); … proxy.heal()`. Toxics act on connections that are open and
on new ones. `target` is a port of loopback or a Unix socket.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

R = TypeVar("R")

Way = Literal["up", "down"]  # towards the server, towards the client
READ_BYTES = 64 * 1024
START_SECONDS = 30.0


class Cut(Exception):
    """A toxic ends the connection."""


class Reset(Cut):
    """With RST instead of FIN."""


class Toxic:
    """Passes everything on. `way` None harms both ways."""

    way: Way | None = None
    chance: random.Random = random.Random(0)

    async def pieces(self, data: bytes, link: Link) -> AsyncIterator[bytes]:
        yield data

    async def before_close(self) -> None:
        return


@dataclass
class Latency(Toxic):
    seconds: float
    jitter_seconds: float = 0.0
    way: Way | None = None

    async def pieces(self, data: bytes, link: Link) -> AsyncIterator[bytes]:
        await asyncio.sleep(max(0.0, self.seconds + self.chance.uniform(-1, 1) * self.jitter_seconds))
        yield data


@dataclass
class Bandwidth(Toxic):
    bytes_per_second: int
    way: Way | None = None

    async def pieces(self, data: bytes, link: Link) -> AsyncIterator[bytes]:
        step = max(1, self.bytes_per_second // 20)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            await asyncio.sleep(len(piece) / self.bytes_per_second)
            yield piece


@dataclass
class SlowClose(Toxic):
    """The other side hears of a close only after a while."""

    seconds: float
    way: Way | None = None

    async def before_close(self) -> None:
        await asyncio.sleep(self.seconds)


@dataclass
class Timeout(Toxic):
    """Nothing passes; after `seconds` the connection is closed. 0: never, as with a half-open one."""

    seconds: float = 0.0
    way: Way | None = None

    async def pieces(self, data: bytes, link: Link) -> AsyncIterator[bytes]:
        if self.seconds:
            await asyncio.sleep(self.seconds)
            raise Cut
        await asyncio.Event().wait()
        yield b""


@dataclass
class ResetPeer(Toxic):
    """RST at the next byte, or `seconds` after it."""

    seconds: float = 0.0
    way: Way | None = None

    async def pieces(self, data: bytes, link: Link) -> AsyncIterator[bytes]:
        await asyncio.sleep(self.seconds)
        raise Reset
        yield b""


@dataclass
class Slicer(Toxic):
    bytes_each: int
    seconds_between: float = 0.0
    way: Way | None = None

    async def pieces(self, data: bytes, link: Link) -> AsyncIterator[bytes]:
        for start in range(0, len(data), self.bytes_each):
            yield data[start : start + self.bytes_each]
            await asyncio.sleep(self.seconds_between)


@dataclass
class LimitData(Toxic):
    """Each connection ends after so many bytes of one way."""

    bytes_most: int
    way: Way | None = None

    async def pieces(self, data: bytes, link: Link) -> AsyncIterator[bytes]:
        room = self.bytes_most - link.passed
        if room > 0:
            yield data[:room]
        if len(data) >= room:
            raise Cut


@dataclass(eq=False)
class Link:
    """One way of one connection."""

    proxy: ToxicProxy
    way: Way
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    passed: int = 0

    async def pump(self) -> None:
        while data := await self.reader.read(READ_BYTES):
            await self._through(self._toxics(), data)
        for toxic in self._toxics():
            await toxic.before_close()
        if self.writer.can_write_eof():
            self.writer.write_eof()

    def _toxics(self) -> list[Toxic]:
        return [toxic for toxic in self.proxy.toxics if toxic.way in (None, self.way)]

    async def _through(self, toxics: list[Toxic], data: bytes) -> None:
        if toxics:
            async for piece in toxics[0].pieces(data, self):
                await self._through(toxics[1:], piece)
            return
        self.writer.write(data)
        await self.writer.drain()
        self.passed += len(data)


@dataclass
class ToxicProxy:
    target: int | Path
    toxics: list[Toxic] = field(default_factory=list)
    port: int = 0

    def add(self, toxic: Toxic) -> None:
        self.toxics = [*self.toxics, toxic]

    def heal(self) -> None:
        """No harm any more; what hangs in a toxic is cut."""
        self.toxics = []
        self._call(self._cut_all())
        if self._server is None:
            self._call(self._listen())

    def down(self) -> None:
        """Nobody listens, and what was open is reset."""
        self._call(self._close())
        self._call(self._cut_all(reset=True))

    def reset_all(self) -> None:
        """RST on everything that is open now; new connections pass."""
        self._call(self._cut_all(reset=True))

    # --- Its loop ---
    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True, name="toxic-proxy")
        self._thread.start()
        assert ready.wait(START_SECONDS), "the proxy did not start"
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(START_SECONDS)

    def _run(self, ready: threading.Event) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._open: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        await self._listen()
        ready.set()
        await self._stopping.wait()
        await self._close()
        await self._cut_all()

    def _call(self, act: Coroutine[Any, Any, R]) -> R:
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(START_SECONDS)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    async def _cut_all(self, *, reset: bool = False) -> None:
        open_ones, self._open = self._open, {}
        for task, writer in open_ones.items():
            if reset:
                _reset(writer)
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            await self._relay(reader, writer)
        except (OSError, Cut, ExceptionGroup) as end:
            if _is_reset(end):
                _reset(writer)
        except asyncio.CancelledError:
            pass  # by us, in _cut_all
        finally:
            self._open.pop(task, None)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await self._dial()
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(Link(self, "up", reader, up_writer).pump())
                both.create_task(Link(self, "down", up_reader, writer).pump())
        finally:
            up_writer.close()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, Path):
            return await asyncio.open_unix_connection(str(self.target))
        return await asyncio.open_connection("127.0.0.1", self.target)


def _is_reset(end: BaseException) -> bool:
    if isinstance(end, ExceptionGroup):
        return any(map(_is_reset, end.exceptions))
    return isinstance(end, (Reset, ConnectionResetError))


def _reset(writer: asyncio.StreamWriter) -> None:
    raw: Any = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
