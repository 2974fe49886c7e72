"""Kept connections: one line for each tenant, origin, policy version and TLS setting, so that none is ever shared
between tenants, and none outlives the policy under which it was dialled."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID
from weakref import WeakValueDictionary

from providers.errors import DestinationForbidden
from providers.upstream.dial import ConnectTrace, Place, dial, tls_context
from providers.upstream.egress import DEFAULT_PORTS, origin_of
from providers.upstream.gate import Gate
from providers.upstream.http1 import Connection
from providers.upstream.lookup import Lookups
from providers.upstream.target import Target

KEEPALIVE_SECONDS: Final = 30.0  # LocalAI's own limit is 120 s
SWEEP_SECONDS: Final = 10.0

_STORED: Final = re.compile(r"[!-~]+")  # what a normalised address consists of

LineKey = tuple[UUID, str, str, bool]


class Line:
    """The way to one origin for one tenant, with the connections that rest between calls."""

    def __init__(self, target: Target, lines: Lines) -> None:
        if not _STORED.fullmatch(target.base_url):
            raise DestinationForbidden("The stored address holds characters that no server's address has.")
        parts = urlsplit(target.base_url)
        self.place = Place(
            host=parts.hostname or "",
            port=parts.port or DEFAULT_PORTS[parts.scheme],
            gate=Gate(lines.lookups, target.policy, parts.scheme),
            tls=tls_context(target.verify_tls) if parts.scheme == "https" else None,
        )
        self._policy = target.policy
        self._lines = lines
        self._resting: deque[Connection] = deque()
        self._is_retired = False

    def take(self) -> Connection | None:
        """The connection that rested for the shortest time; None when a new one must be dialled."""
        oldest = self._lines.loop.time() - KEEPALIVE_SECONDS
        while self._resting:
            if self._policy.has_shrunk:
                self.hang_up(float("inf"))
                return None
            connection = self._resting.pop()
            if connection.may_be_used_again and connection.rests_since > oldest and connection.is_silent:
                return connection
            connection.abort()
        return None

    async def dial(self, within_seconds: float, trace: ConnectTrace | None = None) -> Connection:
        """See `dial.dial`."""
        return await dial(self.place, trace or ConnectTrace(), within_seconds=within_seconds)

    def give_back(self, connection: Connection) -> None:
        """Keep the connection for the next call, or close it where its answer has not come to a clean end."""
        if not connection.may_be_used_again or self._is_retired or self._policy.has_shrunk or self._lines.is_closed:
            connection.abort()
            return
        connection.rests_since = self._lines.loop.time()
        self._resting.append(connection)
        self._lines.watch(self)

    def hang_up(self, resting_since: float) -> bool:
        """Close what has rested since `resting_since` or longer. True when connections are left."""
        if self._policy.has_shrunk:
            resting_since = float("inf")
        while self._resting and (
            self._resting[0].rests_since <= resting_since or not self._resting[0].may_be_used_again
        ):
            self._resting.popleft().abort()
        return bool(self._resting)

    def retire(self) -> None:
        """Close what rests; what is in use closes when it is given back."""
        self._is_retired = True
        self.hang_up(float("inf"))


class Lines:
    """The lines of one event loop. A line lives as long as a target needs it or a connection rests on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.lookups = Lookups()
        self.is_closed = False
        self._lines: WeakValueDictionary[LineKey, Line] = WeakValueDictionary()
        self._watched: set[Line] = set()
        self._sweep_handle: asyncio.TimerHandle | None = None

    def to(self, target: Target) -> Line:
        """The line for this target. Dials nothing. Raises DestinationForbidden for what no form lets through."""
        key = (target.tenant_id, origin_of(target.base_url), target.policy.version, target.verify_tls)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(target, self)
        return line

    def retire(self, tenant_id: UUID | None) -> None:
        """Hang up the tenant's connections (None: everybody's): what they were made for may have changed."""
        for key, line in list(self._lines.items()):
            if tenant_id in (None, key[0]):
                del self._lines[key]
                line.retire()

    def watch(self, line: Line) -> None:
        """Hang up its connections when they have rested too long."""
        self._watched.add(line)
        if self._sweep_handle is None:
            self._sweep_handle = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweep_handle = None
        oldest = self.loop.time() - KEEPALIVE_SECONDS
        self._watched = {line for line in self._watched if line.hang_up(oldest)}
        if self._watched:
            self._sweep_handle = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def close(self) -> None:
        """Hang up all that rests; connections in use close when they are given back."""
        self.is_closed = True
        if self._sweep_handle is not None:
            self._sweep_handle.cancel()
        for line in self._watched:
            line.hang_up(float("inf"))
        self._watched.clear()
