"""Answers of the database kept in memory for seconds, so that no hot path waits on it.

What changes is dropped at once through `invalidation`; the lifetime only bounds what a lost message could do. An
entry asked for in the second half of its life is loaded anew beside the answer. While the database is down, entries
are served on for ten minutes.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError

from providers import invalidation

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LIFETIME_SECONDS = 10.0
DEAF_LIFETIME_SECONDS = 1.0  # while invalidations cannot be heard
OUTAGE_SECONDS = 600.0  # how long an entry outlives its lifetime while the database is down
OUTAGE_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class _Entry(Generic[V]):
    __slots__ = ("loader", "outlives", "refresh_at", "tenant_id", "until", "value")

    def __init__(self, value: V, tenant_id: UUID, loader: Callable[[], Awaitable[V]]) -> None:
        self.value = value
        self.tenant_id = tenant_id
        self.loader = loader
        lifetime_seconds = LIFETIME_SECONDS if invalidation.is_listening() else DEAF_LIFETIME_SECONDS
        self.outlives = time.monotonic() + lifetime_seconds + OUTAGE_SECONDS
        self.live(lifetime_seconds)

    def live(self, seconds: float) -> None:
        """Be served for so long; from the middle of it on, asking begins a refresh."""
        now = time.monotonic()
        self.refresh_at = now + seconds / 2
        self.until = now + seconds


class _Loading(Generic[V]):
    """One question on its way, for all who ask it meanwhile."""

    __slots__ = ("answer", "drops")

    def __init__(self, answer: asyncio.Task[V], drops: int) -> None:
        self.answer = answer
        self.drops = drops


class FreshCache(Generic[K, V]):
    """`get` never waits; `load` asks once for all who ask at the same time. `drop` may be called from any thread."""

    def __init__(self, *, tenant_of: Callable[[V], UUID], max_entries: int) -> None:
        self._tenant_of = tenant_of
        self._entries: dict[K, _Entry[V]] = {}
        self._keys_of: dict[UUID, set[K]] = {}
        self._loading: dict[tuple[int, K], _Loading[V]] = {}
        self._max_entries = max_entries
        self._drops = 0  # what was read before a drop may not be stored after it
        self._lock = threading.Lock()
        invalidation.register(self)

    def get(self, key: K) -> V | None:
        """What is known and fresh, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        now = time.monotonic()
        if now < entry.refresh_at:
            return entry.value
        if now >= entry.until:
            return None
        entry.refresh_at = entry.until
        self._begin(key, entry.loader)
        return entry.value

    async def load(self, key: K, loader: Callable[[], Awaitable[V]]) -> V:
        """Ask `loader` and remember what it says. What it raises is not remembered."""
        invalidation.listen()
        known = self._entries.get(key)
        try:
            return await asyncio.shield(self._begin(key, loader))
        except (OperationalError, InterfaceError):
            if known is None or time.monotonic() > known.outlives:
                raise
            return known.value

    def drop(self, tenant_id: UUID | None) -> None:
        with self._lock:
            self._drops += 1
            if tenant_id is None:
                self._entries.clear()
                self._keys_of.clear()
                return
            for key in self._keys_of.pop(tenant_id, ()):
                self._entries.pop(key, None)

    def expire(self, *, within_seconds: float) -> None:
        last = time.monotonic() + within_seconds
        with self._lock:
            for entry in self._entries.values():
                entry.until = min(entry.until, last)
                entry.refresh_at = min(entry.refresh_at, last)

    def _begin(self, key: K, loader: Callable[[], Awaitable[V]]) -> asyncio.Task[V]:
        """Join the question that is on its way, unless something was dropped since it was asked."""
        loop = asyncio.get_running_loop()
        place = (id(loop), key)
        loading = self._loading.get(place)
        if loading is None or loading.drops != self._drops:
            loading = _Loading(loop.create_task(self._ask(key, loader)), self._drops)
            self._loading[place] = loading
            loading.answer.add_done_callback(partial(self._ended, place, loading))
        return loading.answer

    async def _ask(self, key: K, loader: Callable[[], Awaitable[V]]) -> V:
        drops = self._drops
        try:
            value = await loader()
        except (OperationalError, InterfaceError) as fault:
            self._outlive_outage(key, fault)
            raise
        except Exception:
            self._remove(key)  # it is no longer what it was: gone, revoked, switched off
            raise
        self._store(key, _Entry(value, self._tenant_of(value), loader), drops)
        return value

    def _ended(self, place: tuple[int, K], loading: _Loading[V], answer: asyncio.Task[V]) -> None:
        if self._loading.get(place) is loading:
            del self._loading[place]
        if not answer.cancelled():
            answer.exception()  # seen: whoever waited has it, and a refresh beside has nobody who waits

    def _outlive_outage(self, key: K, fault: Exception) -> None:
        known = self._entries.get(key)
        log.warning("cache_refresh_failed", error=str(fault), served_from_memory=known is not None)
        left_seconds = known.outlives - time.monotonic() if known is not None else 0.0
        if known is not None and left_seconds > 0:
            known.live(min(OUTAGE_RETRY_SECONDS, left_seconds))

    def _store(self, key: K, entry: _Entry[V], drops: int) -> None:
        with self._lock:
            if drops != self._drops:
                return
            while len(self._entries) >= self._max_entries:
                self._forget(next(iter(self._entries)))
            self._entries[key] = entry
            self._keys_of.setdefault(entry.tenant_id, set()).add(key)

    def _remove(self, key: K) -> None:
        with self._lock:
            self._forget(key)

    def _forget(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        keys = self._keys_of.get(entry.tenant_id, set())
        keys.discard(key)
        if not keys:
            self._keys_of.pop(entry.tenant_id, None)
