"""Limits hold over processes, to the call: nothing beyond them, and nearly all of them is used."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from multiprocessing.connection import Connection
from uuid import uuid4

import httpx
import pytest

from providers import limits
from providers.redis import close_async
from tenants.rate_limits import Bound, RateLimits
from tests.factories import bearer
from tests.providers.gateway.conftest import HELLO
from tests.providers.gateway.processes import web_processes
from tests.security.secrets.children import child

CALLERS = 64


def allowed(limit: int, seconds: float) -> float:
    """A minute's worth, and what comes back meanwhile."""
    return limit + limit * seconds / 60


async def burst(urls: list[str], key: str, calls: int) -> tuple[Counter[int], float]:
    """64 callers at once, half of them at each process: how often each status came, and how long it took."""
    statuses: Counter[int] = Counter()
    queue = iter(range(calls))
    headers = {**bearer(key), "Connection": "close"}  # on a busy machine a kept one may be closed as it is used again
    async with httpx.AsyncClient(headers=headers, timeout=60, limits=httpx.Limits(max_connections=None)) as client:

        async def caller(url: str) -> None:
            for _ in queue:
                response = await client.post(f"{url}/v1/chat/completions", json=HELLO)
                statuses[response.status_code] += 1

        began = time.monotonic()
        await asyncio.gather(*(caller(urls[number % 2]) for number in range(CALLERS)))
        return statuses, time.monotonic() - began


@pytest.mark.django_db(transaction=True)
def test_a_burst_over_two_web_processes_uses_the_limit_and_not_a_call_more(gateway, tmp_path):
    limit = 240
    key = gateway.team.key_of(gateway.team.owner, rate_limits=RateLimits(requests_per_minute=limit))
    with web_processes(2, tmp_path, EGRESS_ALLOW="127.0.0.0/8", LOG_LEVEL="ERROR") as running:
        urls = [str(process.http.base_url).rstrip("/") for process in running]
        statuses, seconds = asyncio.run(burst(urls, key, calls=480))

    assert set(statuses) == {200, 429}
    assert 0.98 * limit <= statuses[200] <= allowed(limit, seconds)


def test_where_processes_take_in_advance_it_holds_as_well(redis_url, settings):
    settings.REDIS_URL = redis_url
    limit = 20_000
    bound = Bound(uuid4(), uuid4(), RateLimits(requests_per_minute=limit))

    def work(pipe: Connection) -> None:
        pipe.recv()
        pipe.send(asyncio.run(_admitted(bound, calls=limit)))

    with child(work) as one, child(work) as other:
        began = time.monotonic()
        one.pipe.send("go")
        other.pipe.send("go")
        admitted = one.word() + other.word()
        seconds = time.monotonic() - began

    assert 0.98 * limit <= admitted <= allowed(limit, seconds)


async def _admitted(bound: Bound, calls: int) -> int:
    count = 0
    queue = iter(range(calls))

    async def caller() -> None:
        nonlocal count
        for number in queue:
            try:
                (await limits.admit([bound])).end(1)
                count += 1
            except limits.RateLimited:
                await asyncio.sleep(0)
            if number % 16 == 0:
                await asyncio.sleep(0)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await limits.close()
    await close_async()
    return count
