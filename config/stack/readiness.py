"""When a child counts as ready: it answers, or it has said in Redis that it is there."""

from __future__ import annotations

import asyncio
import socket

import httpx
import redis.asyncio

from config.stack.child import Ready

PROBE_SECONDS = 2.0


def answers(url: str) -> Ready:
    async def ready(_process_id: int) -> bool:
        return await status_of(url) == 200

    return ready


def is_present(redis_url: str, key: str) -> Ready:
    """`config.presence` and the scheduler write `host:process` there."""

    async def ready(process_id: int) -> bool:
        async with redis.asyncio.Redis.from_url(redis_url, socket_timeout=PROBE_SECONDS) as client:
            try:
                return await client.zscore(key, f"{socket.gethostname()}:{process_id}") is not None
            except redis.RedisError:
                return False

    return ready


async def why_redis_does_not_answer(redis_url: str) -> str | None:
    """None where it does; else the kind of fault, without the address: that may hold a password."""
    try:
        async with redis.asyncio.Redis.from_url(redis_url, socket_timeout=PROBE_SECONDS) as client:
            await client.execute_command("PING")
    except (redis.RedisError, ValueError, OSError) as fault:
        return type(fault).__name__
    return None


async def status_of(url: str) -> int | None:
    """None when nobody answers."""
    async with httpx.AsyncClient(timeout=PROBE_SECONDS, trust_env=False) as client:
        try:
            return (await client.get(url)).status_code
        except httpx.TransportError:
            return None


async def until(url: str, seconds: float) -> bool:
    """Wait until it answers 200 with every part `ok`. False when that took too long."""
    async with httpx.AsyncClient(timeout=PROBE_SECONDS, trust_env=False) as client:
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            if await _all_ok(client, url):
                return True
            await asyncio.sleep(0.1)
    return False


async def _all_ok(client: httpx.AsyncClient, url: str) -> bool:
    try:
        answer = await client.get(url)
    except httpx.TransportError:
        return False
    if answer.status_code != 200:
        return False
    parts = answer.json()
    return all(parts.get(part) == "ok" for part in ("database", "redis", "workers"))
