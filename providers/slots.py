"""The arbiter's door: who may have a request in flight at an endpoint, and who is next.

A slot is a lease in Redis, renewed while its holder lives; a process that dies loses its slots within seconds. A free
slot that nobody waits for is taken at once; else tenants take turns, as `slots.lua` tells. An endpoint without a
capacity needs no slot and costs no call. While Redis is down, each process keeps to its own share of every capacity.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID
from weakref import WeakKeyDictionary

from providers.errors import LimitReached
from providers.redis import async_redis, key
from providers.slot_desk import Desk, Full, desk
from providers.slot_ledger import Claim, Place
from providers.upstream.target import Target

__all__ = ["Place", "Slot", "close", "free_gone_processes", "place_of", "slot", "take", "try_take"]

MANY = 1_000_000
MOST_RETRY_SECONDS = 60


class Slot:
    """The right to one request in flight. `release` and `give_back` never wait, and the first of them counts."""

    __slots__ = ("_claim", "_desk", "waited_ms")

    def __init__(self, holding: Desk | None, claim: Claim | None, waited_seconds: float) -> None:
        self._desk = holding
        self._claim = claim
        self.waited_ms = int(waited_seconds * 1000)

    def release(self) -> None:
        self._end(is_used=True)

    def give_back(self) -> None:
        """Release what was not used: it tells nothing about how long its model takes."""
        self._end(is_used=False)

    def _end(self, *, is_used: bool) -> None:
        holding, self._desk = self._desk, None
        if holding is not None and self._claim is not None:
            holding.release(self._claim, is_used=is_used)


_places: WeakKeyDictionary[Target, Place] = WeakKeyDictionary()
_FREE = Slot(None, None, 0.0)  # where there is no capacity, there is nothing to hold


def place_of(target: Target) -> Place:
    """Where calls to a target are counted. At a shared box the provider's own figure binds too."""
    place = _places.get(target)
    if place is None:
        place = _places[target] = _place_of(target)
    return place


def _place_of(target: Target) -> Place:
    endpoint, capacity, own, own_limit = target.endpoint, target.capacity, "", target.max_concurrency
    if capacity is None and own_limit is not None:
        endpoint, capacity = f"provider:{target.provider_id}", own_limit
    elif not endpoint.startswith("provider:") and own_limit is not None:
        own = str(target.provider_id)
    return Place(
        endpoint,
        capacity,
        target.tenant_id,
        own=own,
        own_limit=own_limit if own and own_limit is not None else 0,
        weight=target.tenant_weight,
        tenant_cap=target.tenant_cap,
        model=target.model_entry_id.hex if target.model_entry_id else "",
    )


async def take(place: Place, *, holder: str, wait_seconds: float | None, may_wait: int = MANY) -> Slot:
    """A slot, after waiting in line for at most `wait_seconds` (None: as long as it takes).

    `holder` is unique among what this process runs. Raises LimitReached `queue_full`, with an estimate in
    `retry_after_seconds`, when that time has passed or `may_wait` calls of the tenant wait at the endpoint already.
    Cancelling leaves the line.
    """
    if place.capacity is None:
        return _FREE
    at = desk()
    try:
        held, waited_seconds = await at.take(_claim(at, place, holder, may_wait), wait_seconds)
    except Full as full:
        raise _queue_full(at, place, full.waiting) from None
    return Slot(at, held, waited_seconds)


async def try_take(place: Place, *, holder: str) -> Slot | None:
    """A slot if one is free and it is nobody else's turn, else None."""
    if place.capacity is None:
        return _FREE
    at = desk()
    try:
        held, _ = await at.take(_claim(at, place, holder, None), 0.0)
    except Full:
        return None
    return Slot(at, held, 0.0)


@asynccontextmanager
async def slot(
    endpoint: str, capacity: int | None, *, tenant_id: UUID, holder: str, wait_seconds: float | None = None
) -> AsyncIterator[Slot]:
    """Hold a slot of `endpoint` inside the block."""
    held = await take(Place(endpoint, capacity, tenant_id), holder=holder, wait_seconds=wait_seconds)
    try:
        yield held
    finally:
        held.release()


async def close() -> None:
    """Give back what this loop keeps for calls to come; for its end."""
    await desk().close()


async def free_gone_processes() -> int:
    """Free what processes of this host held that are no longer there, for a starting worker. The number of slots."""
    freed = 0
    redis = async_redis()
    index = key("slots")
    for place in await redis.smembers(index):
        members = [bytes(member).decode() for member in await redis.zrange(place, 0, -1)]  # type: ignore[arg-type]
        gone = [member for member in members if _is_gone(member)]
        if gone:
            freed += await redis.zrem(place, *gone)
        if len(gone) == len(members):
            await redis.srem(index, place)
    return freed


def _is_gone(member: str) -> bool:
    host, pid, *_ = member.split("/")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, ValueError):
        return False
    return False


def _claim(at: Desk, place: Place, holder: str, may_wait: int | None) -> Claim:
    return Claim(f"{at.process}/{holder}", place, may_wait)


def _queue_full(at: Desk, place: Place, waiting: int) -> LimitReached:
    turns = (waiting + 1) / max(1, place.capacity or 1)
    seconds = min(MOST_RETRY_SECONDS, max(1, math.ceil(turns * at.usual_hold_seconds(place.endpoint))))
    return LimitReached(
        "queue_full",
        f"The model server is busy and {waiting} calls wait for it. Try again in about {seconds} s.",
        retry_after_seconds=seconds,
    )
