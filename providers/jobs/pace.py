"""How long jobs take at an endpoint, and how fast lines move: learned from what ended, shared by all workers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from providers.redis import REDIS_DOWN, RedisError, async_redis, key, sync_redis
from providers.worker_loop import spawn

NEW_SHARE: Final = 0.2  # of the newest figure in the average
KEPT_SECONDS: Final = 7 * 24 * 3600
WRITE_EVERY_SECONDS: Final = 1.0
SPAN_SECONDS: Final = 5  # ends are counted by spans of the clock
SPANS: Final = 6  # that a rate is made of


class Pace:
    """One per worker loop. What it is told goes to Redis once a second."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._ends: Counter[str] = Counter()
        self._changed: set[str] = set()
        self._writing: asyncio.Task[None] | None = None

    def note(self, endpoint: str, tenant_id: UUID, seconds: float | None) -> None:
        """A job has left the queue for good, after so many seconds at the model server (None: it says nothing)."""
        self._ends.update((endpoint, str(tenant_id)))
        if seconds is not None:
            former = self._seconds.get(endpoint, seconds)
            self._seconds[endpoint] = former + (seconds - former) * NEW_SHARE
            self._changed.add(endpoint)
        if self._writing is None or self._writing.done():
            self._writing = spawn(self._write(), name="job_pace")

    async def _write(self) -> None:
        while self._ends:
            ends, self._ends = self._ends, Counter()
            changed, self._changed = self._changed, set()
            try:
                await self._tell(ends, changed)
            except (RedisError, *REDIS_DOWN):
                return  # estimates get older, nothing else
            await asyncio.sleep(WRITE_EVERY_SECONDS)

    async def _tell(self, ends: Mapping[str, int], changed: Iterable[str]) -> None:
        pipeline = async_redis().pipeline(transaction=False)
        for line, count in ends.items():
            name = _span_key(line, _span_now())
            pipeline.incrby(name, count)
            pipeline.expire(name, SPAN_SECONDS * (SPANS + 2))
        for endpoint in changed:
            pipeline.set(key("pace", endpoint), f"{self._seconds[endpoint]:.3f}", ex=KEPT_SECONDS)
        await pipeline.execute()


def known(endpoints: Sequence[str]) -> Mapping[str, float]:
    """Seconds per job, for those endpoints of which anything is known. For threads."""
    if not endpoints:
        return {}
    try:
        figures = sync_redis().mget([key("pace", endpoint) for endpoint in endpoints])
    except (RedisError, *REDIS_DOWN):
        return {}
    return {at: float(figure) for at, figure in zip(endpoints, figures, strict=True) if figure is not None}


def per_second(line: str) -> float:
    """How many jobs of an endpoint, or of a tenant (its id), ended per second within the last half minute."""
    try:
        counts = sync_redis().mget([_span_key(line, span) for span in spans()])
    except (RedisError, *REDIS_DOWN):
        return 0.0
    return sum(int(count) for count in counts if count is not None) / (SPANS * SPAN_SECONDS)


def spans() -> range:
    """The spans of the clock that a rate is made of, with the one that has just begun."""
    return range(_span_now() - SPANS, _span_now() + 1)


def model_seconds(model_ids: Sequence[str]) -> dict[str, float]:
    """What the arbiter has learned of these models (hex ids): how long each usually holds a slot. For threads."""
    if not model_ids:
        return {}
    try:
        figures = sync_redis().hmget(key("slots", "cost"), list(model_ids))
    except (RedisError, *REDIS_DOWN):
        return {}
    return {model: float(figure) for model, figure in zip(model_ids, figures, strict=True) if figure is not None}


def _span_now() -> int:
    return int(time.time()) // SPAN_SECONDS


def _span_key(line: str, span: int) -> str:
    return key("pace", "ends", line, span)
