"""`/healthz` (the process lives), `/readyz` (it serves, and which parts answer) and `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from django.db import DatabaseError, connection
from redis import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from config import metrics, presence
from config.stopping import stopping
from providers import breakers
from providers.redis import async_redis
from tenants.in_db import in_db

PROBE_SECONDS = 2.0
started = asyncio.Event()  # set by lifespan: only looked at, never waited for


async def healthz(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def readyz(_request: Request) -> Response:
    """503 only before start-up is complete and while draining: a part that is down is told, not amplified."""
    status = "draining" if stopping.is_set() else "ready" if started.is_set() else "starting"
    return JSONResponse({"status": status, **await parts()}, 200 if status == "ready" else 503)


async def scrape(_request: Request) -> Response:
    return Response(
        metrics.exposition(await parts(), await breakers.everywhere()),
        media_type="text/plain; version=0.0.4; charset=utf-8",
    )


async def parts() -> dict[str, str]:
    names = ("database", "redis", "workers")
    up = await asyncio.gather(_answers(_database()), _answers(_redis()), _answers(presence.workers_are_there()))
    return {name: "ok" if is_up else "down" for name, is_up in zip(names, up, strict=True)}


async def _answers(probe: Awaitable[bool]) -> bool:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await probe
    except (TimeoutError, DatabaseError, RedisError, OSError):
        return False


async def _database() -> bool:
    return await in_db(_select_one)


def _select_one() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


async def _redis() -> bool:
    return bool(await async_redis().ping())


routes = [
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/metrics", scrape),
]
