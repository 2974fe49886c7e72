"""Which processes are there: each says so in Redis from its own loop, so one whose loop hangs falls silent.

python -m config.presence workers       status 0 while a worker of this host is there; so for `schedulers`
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from typing import Any

import structlog

from providers.redis import REDIS_DOWN, RedisError, async_redis, key, sync_redis

log = structlog.get_logger(__name__)

EVERY_SECONDS = 5.0
SILENT_SECONDS = 15.0  # who has not been heard for so long is not there


def own_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


async def say(name: str) -> None:
    """Say that worker `name` is here, again and again, until cancelled; then say that it has left."""
    try:
        while True:
            await asyncio.to_thread(say_once, "workers", name)
            await asyncio.sleep(EVERY_SECONDS)
    finally:
        await async_redis().zrem(key("workers"), name)


def say_once(kind: str, name: str) -> None:
    """Never raises: a Redis that is down or full says more than we could."""
    pipeline = sync_redis().pipeline(transaction=False)
    pipeline.zadd(key(kind), {name: time.time()})
    pipeline.zremrangebyscore(key(kind), 0, time.time() - 60 * SILENT_SECONDS)
    try:
        pipeline.execute()
    except (RedisError, *REDIS_DOWN) as error:  # also one that is full
        log.warning("presence_not_said", kind=kind, reason=type(error).__name__)


async def workers_are_there() -> bool:
    return bool(await async_redis().zcount(key("workers"), time.time() - SILENT_SECONDS, "+inf"))


def is_here(kind: str) -> bool:
    """Whether a process of this kind and this host has been heard of late."""
    heard: Any = sync_redis().zrangebyscore(key(kind), time.time() - SILENT_SECONDS, "+inf")
    return any(name.decode().startswith(f"{socket.gethostname()}:") for name in heard)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    sys.exit(0 if is_here(sys.argv[1]) else 1)
