"""What the processes tell each other of their breakers: a word for each fault, so that those in a row are counted over
all of them, a word when one opens or closes, and a hash for who comes later. Nothing here is asked while all is well;
while Redis is down, each process finds out by itself."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

import orjson
import structlog

from providers.breakers.breaker import PROBE_SECONDS
from providers.redis import REDIS_DOWN, RedisError, async_redis, key, sync_redis

CHANNEL: Final = "breakers"
FORGOTTEN_SECONDS: Final = 7 * 24 * 3600.0  # after its rest, what nobody has tried again

Kind = Literal["provider", "model"]

log = structlog.get_logger(__name__)


class Resting(NamedTuple):
    """An open breaker as processes tell it. `until` is of `time.time()`; `rests` are those in a row."""

    kind: Kind
    id: str
    until: float
    rests: int
    code: str


class Fault(NamedTuple):
    """One fault of what does not rest yet."""

    id: UUID
    code: str


class Well(NamedTuple):
    """What has failed of late was well again before it had to rest."""

    id: UUID


async def tell_fault(id: UUID, code: str) -> None:
    await _publish("fault", str(id), code)


async def tell_well(id: UUID) -> None:
    await _publish("well", str(id))


async def _publish(*words: str) -> None:
    try:
        await async_redis().publish(key(CHANNEL), orjson.dumps([_own_name(), *words]))
    except (RedisError, *REDIS_DOWN) as down:
        log.warning("fault_not_told", error=str(down))


async def tell_open(resting: Resting) -> None:
    said = orjson.dumps([_own_name(), *resting])
    try:
        pipeline = async_redis().pipeline(transaction=False)
        pipeline.hset(key(CHANNEL), resting.id, said)
        pipeline.publish(key(CHANNEL), said)
        await pipeline.execute()
    except (RedisError, *REDIS_DOWN) as fault:
        log.warning("rest_not_told", id=resting.id, error=str(fault))


async def tell_closed(id: UUID) -> None:
    try:
        await _say_closed(async_redis().pipeline(transaction=False), [id]).execute()
    except (RedisError, *REDIS_DOWN) as fault:
        log.warning("rest_not_told", id=str(id), error=str(fault))


def tell_closed_from_thread(ids: Sequence[UUID]) -> None:
    try:
        _say_closed(sync_redis().pipeline(transaction=False), ids).execute()
    except (RedisError, *REDIS_DOWN) as fault:
        log.warning("rest_not_told", ids=[*map(str, ids)], error=str(fault))


def _say_closed(pipeline: Any, ids: Sequence[UUID]) -> Any:
    for id in ids:
        pipeline.hdel(key(CHANNEL), str(id))
        pipeline.delete(_probe_key(id))
        pipeline.publish(key(CHANNEL), orjson.dumps([_own_name(), "closed", str(id)]))
    return pipeline


async def told() -> list[Resting]:
    """All that is open anywhere. Raises what is in REDIS_DOWN."""
    found = await async_redis().hgetall(key(CHANNEL))
    all_told = [Resting(*orjson.loads(said)[1:]) for said in found.values()]
    oldest = time.time() - FORGOTTEN_SECONDS
    if old := [resting.id for resting in all_told if resting.until < oldest]:
        await async_redis().hdel(key(CHANNEL), *old)
    return [resting for resting in all_told if resting.until >= oldest]


def heard(word: str) -> Resting | Fault | Well | UUID | None:
    """What a word of another process says: who rests, what failed or is well, or the id of what rests no more."""
    sender, kind, *rest = orjson.loads(word)
    if sender == _own_name():
        return None
    if kind == "fault":
        return Fault(UUID(rest[0]), rest[1])
    if kind == "well":
        return Well(UUID(rest[0]))
    return UUID(rest[0]) if kind == "closed" else Resting(kind, *rest)


def _own_name() -> str:
    return f"{socket.gethostname()}/{os.getpid()}"


# --- One probe of all processes ---
async def take_probe(id: UUID) -> bool:
    try:
        return bool(await async_redis().set(_probe_key(id), 1, nx=True, px=int(PROBE_SECONDS * 1000)))
    except (RedisError, *REDIS_DOWN):
        return True  # then it is one of each process


async def give_probe_back(id: UUID) -> None:
    try:
        await async_redis().delete(_probe_key(id))
    except (RedisError, *REDIS_DOWN) as fault:
        log.warning("probe_not_given_back", id=str(id), error=str(fault))  # it lapses


def _probe_key(id: UUID) -> str:
    return key("breaker", id, "probe")
