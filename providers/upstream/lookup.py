"""Host names -> addresses: each name asked once at a time, in threads that hold nothing up when they hang."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Final

MAX_LOOKUPS: Final = 64  # under way at once; a resolver that hangs costs a thread each
LOOPBACK: Final = ("127.0.0.1", "::1")  # what RFC 6761 says localhost is; nobody needs to be asked


class NameUnknown(OSError):
    """The name has no address, or nobody told it in time; the text says which."""


class Lookups:
    """The lookups of one event loop. Nothing is remembered: the next connection asks anew."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Future[tuple[str, ...] | NameUnknown]] = {}

    async def addresses_of(self, host: str, *, within_seconds: float) -> tuple[str, ...]:
        """Every address of `host`, without repeats, in the resolver's order. Raises NameUnknown."""
        if is_localhost(host):
            return LOOPBACK
        running = self._running.get(host) or self._start(host)
        try:
            async with asyncio.timeout(within_seconds):
                answer = await asyncio.shield(running)
        except TimeoutError:
            raise NameUnknown(f"the resolver did not answer within {within_seconds:g} s") from None
        if isinstance(answer, NameUnknown):
            raise NameUnknown(*answer.args)
        return answer

    def _start(self, host: str) -> asyncio.Future[tuple[str, ...] | NameUnknown]:
        if len(self._running) >= MAX_LOOKUPS:
            raise NameUnknown("too many names are being resolved at this moment")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[str, ...] | NameUnknown] = loop.create_future()
        self._running[host] = future
        # A daemon of its own, not an executor: the process must be able to end while a resolver hangs.
        threading.Thread(target=self._ask, args=(host, loop), daemon=True, name=f"lookup-{host[:32]}").start()
        return future

    def _ask(self, host: str, loop: asyncio.AbstractEventLoop) -> None:
        answer = _resolve(host)
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._finish, host, answer)

    def _finish(self, host: str, answer: tuple[str, ...] | NameUnknown) -> None:
        future = self._running.pop(host, None)
        if future is not None and not future.done():
            future.set_result(answer)


def is_localhost(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _resolve(host: str) -> tuple[str, ...] | NameUnknown:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except socket.gaierror as fault:
        return NameUnknown((fault.strerror or "it has no address").lower())
    except (OSError, UnicodeError) as fault:
        return NameUnknown(str(fault))
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
