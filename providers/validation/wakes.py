"""Tell the readers of a run that it has moved: Redis pub/sub. A lost word costs them a second, no event."""

from __future__ import annotations

from uuid import UUID

import structlog

from providers.redis import REDIS_DOWN, RedisError, async_redis, key

log = structlog.get_logger(__name__)


def channel(run_id: UUID) -> str:
    return key("validation", run_id)


async def wake(run_id: UUID) -> None:
    """Never raises when Redis is down: readers look at the row by themselves."""
    try:
        await async_redis().publish(channel(run_id), b"moved")
    except (RedisError, *REDIS_DOWN) as down:
        log.warning("validation_wake_lost", run_id=str(run_id), error=type(down).__name__)
