"""A process's own share of every capacity, for as long as Redis is down: never open, never shut."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic

from django.conf import settings

from providers.slot_ledger import Claim, Place


class Waiting:
    """One that waits for a slot; `granted` is resolved when it holds one."""

    __slots__ = ("claim", "granted", "since")

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.since = monotonic()
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Share:
    """Counts what is held at each endpoint, and keeps those in line who came while the ledger could not be asked."""

    def __init__(self, grant: Callable[[str], None]) -> None:
        self._grant = grant
        self._held_at: dict[str, int] = {}
        self._lines: dict[str, deque[Waiting]] = {}

    def enter(self, endpoint: str) -> None:
        self._held_at[endpoint] = self._held_at.get(endpoint, 0) + 1

    def leave(self, endpoint: str) -> None:
        left = self._held_at.get(endpoint, 1) - 1
        if left:
            self._held_at[endpoint] = left
        else:
            self._held_at.pop(endpoint, None)
        if self._lines:
            self.let_next_in(endpoint)

    def is_free(self, place: Place) -> bool:
        """Whether one may go in at once: there is room, and nobody waits."""
        return not self._lines.get(place.endpoint) and self._has_room(place)

    def waiting_at(self, place: Place) -> int:
        """How many of the tenant wait there."""
        return sum(
            1 for waiting in self._lines.get(place.endpoint, ()) if waiting.claim.place.tenant_id == place.tenant_id
        )

    def queue(self, waiting: Waiting) -> None:
        self._lines.setdefault(waiting.claim.place.endpoint, deque()).append(waiting)

    def has(self, waiting: Waiting) -> bool:
        return waiting in self._lines.get(waiting.claim.place.endpoint, ())

    def give_up(self, waiting: Waiting) -> bool:
        """Leave the line; False for one that is not in it."""
        if not self.has(waiting):
            return False
        self._lines[waiting.claim.place.endpoint].remove(waiting)
        return True

    def let_next_in(self, endpoint: str) -> None:
        line = self._lines.get(endpoint)
        while line and self._has_room(line[0].claim.place):
            self._grant(line.popleft().claim.member)
        if line is not None and not line:
            self._lines.pop(endpoint, None)

    def _has_room(self, place: Place) -> bool:
        percent: int = settings.SLOTS_WITHOUT_REDIS_PERCENT
        return self._held_at.get(place.endpoint, 0) < max(1, (place.capacity or 0) * percent // 100)
