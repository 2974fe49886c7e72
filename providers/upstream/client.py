"""The one way out: every call to a model server, from the gateway and from the workers, goes through here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import orjson

from providers.errors import Malformed, TimedOut
from providers.upstream.calls import SSE, Route
from providers.upstream.dial import ConnectTrace
from providers.upstream.faults import exchange_fault, refuse_encoding
from providers.upstream.http1 import Broken, Connection, Source
from providers.upstream.pool import Lines
from providers.upstream.stream import MAX_BODY_BYTES, UpstreamStream
from providers.upstream.target import Target

__all__ = ["MAX_BODY_BYTES", "ConnectTrace", "Reply", "UpstreamClient", "UpstreamStream", "current", "hang_up"]

_SAFE_TO_REPEAT: Final = frozenset({"GET"})


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, whatever its status."""

    status: int
    headers: Mapping[str, str]  # case does not matter in names
    body: bytes
    elapsed_ms: int


class UpstreamClient:
    """The client of one event loop: `current()` gives it. Holds the kept connections; `aclose` hangs them up."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines = Lines(self._loop)
        self._routes: WeakKeyDictionary[Target, Route] = WeakKeyDictionary()

    async def fetch(
        self,
        target: Target,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | Source | None = None,
        headers: Mapping[str, str] | None = None,
        accept: str = "application/json",
        max_bytes: int = MAX_BODY_BYTES,
        total_seconds: float | None = None,
        trace: ConnectTrace | None = None,
    ) -> Reply:
        """Send one request and read its whole answer; any status is a Reply, and no redirect is followed.

        `total_seconds` replaces the target's own. With a `trace` a new connection is dialled and the trace filled.
        Raises UpstreamError, whose `sent` tells whether the server may have seen the request.
        """
        started = self._loop.time()
        limit = target.timeouts.total_seconds if total_seconds is None else total_seconds
        body = orjson.dumps(json) if json is not None else content
        route = self._route_to(target)
        head = route.head(method, path, accept, body, headers)
        kept = route.line.take() if trace is None else None
        connection = kept or await route.line.dial(min(target.timeouts.connect_seconds, limit), trace)
        try:
            answer = await _exchange(connection, head, body, started + limit, max_bytes)
            status, said = connection.status, connection.headers
        except TimeoutError:
            raise TimedOut("total", f"{route.host}:{route.port} did not answer within {limit:g} s.") from None
        except Broken as broken:
            if kept is None or method not in _SAFE_TO_REPEAT or broken.reason not in ("unsent", "closed", "reset"):
                raise exchange_fault(broken, route.host, route.port) from None
            # The server hung up on a connection that had rested; what is harmless is asked anew.
            left = started + limit - self._loop.time()
            return await self.fetch(
                target,
                method,
                path,
                content=body,
                headers=headers,
                accept=accept,
                max_bytes=max_bytes,
                total_seconds=left,
                trace=ConnectTrace(),
            )
        finally:
            route.line.give_back(connection)
        if status >= 400 or b"rror" in answer[:1000]:
            answer = route.scrub(answer)
        elif method == "GET":
            answer = route.without_key(answer)
        return Reply(status, said, answer, round((self._loop.time() - started) * 1000))

    def stream(
        self,
        target: Target,
        path: str,
        *,
        content: bytes | Source,
        headers: Mapping[str, str] | None = None,
        accept: str = SSE,
        is_unary: bool = False,
    ) -> UpstreamStream:
        """POST `content` and read the answer as it comes: `async with client.stream(…) as upstream`.

        `is_unary`: the server may make the whole answer before it sends any, so that no first token is waited for.
        Entering sends the request and raises UpstreamError when no status comes; leaving closes the upstream at once.
        """
        head = self._route_to(target).head("POST", path, accept, content, headers)
        return UpstreamStream(self._route_to(target), target.timeouts, head, content, is_unary=is_unary)

    async def connect(self, target: Target, trace: ConnectTrace) -> None:
        """Dial the target step by step and hang up. Raises what stands in the way; `trace` tells how far it came."""
        connection = await self._lines.to(target).dial(target.timeouts.connect_seconds, trace)
        connection.abort()

    def hang_up(self, tenant_id: UUID | None) -> None:
        """Keep none of the tenant's connections (None: of all); calls that are under way go on to their end."""
        self._lines.retire(tenant_id)

    async def aclose(self) -> None:
        """Hang up every kept connection. Open calls go on, and their connections are not kept."""
        self._lines.close()
        await asyncio.sleep(0)  # the loop closes what was aborted on its next round

    def _route_to(self, target: Target) -> Route:
        route = self._routes.get(target)
        if route is None:
            route = self._routes[target] = Route(target, self._lines)
        return route


async def _exchange(
    connection: Connection, head: bytes, body: bytes | Source | None, deadline: float, max_bytes: int
) -> bytes:
    """Send, and read the whole answer. Raises Broken, TimeoutError, Malformed."""
    if body is None or isinstance(body, bytes):
        connection.send(head, body)
    else:
        await connection.send_from(head, body, deadline)
    await connection.head(deadline)
    refuse_encoding(connection.headers)
    pieces: list[bytes] = []
    size = 0
    while piece := await connection.read(deadline):
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise Malformed(message=f"The answer is larger than {max_bytes} bytes.")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


_clients: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, UpstreamClient]] = WeakKeyDictionary()


def current() -> UpstreamClient:
    """The client of the running event loop, made at its first use."""
    loop = asyncio.get_running_loop()
    client = _clients.get(loop)
    if client is None:
        client = _clients[loop] = UpstreamClient()
    return client


def hang_up(tenant_id: UUID | None) -> None:
    """`UpstreamClient.hang_up` on every loop of this process, soon; from any thread."""
    for loop, client in list(_clients.items()):
        with contextlib.suppress(RuntimeError):  # that loop has been closed, and its connections with it
            loop.call_soon_threadsafe(client.hang_up, tenant_id)
