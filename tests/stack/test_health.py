"""`/healthz`, `/readyz`, `/metrics`: which part is up, and 503 only while this process itself does not serve."""

from __future__ import annotations

import asyncio

import httpx
import pytest
import redis
from starlette.applications import Starlette

from config import health, presence
from config.stack import valkey
from config.stopping import stopping
from providers.redis import close_async
from tenants import in_db

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def http():
    transport = httpx.ASGITransport(Starlette(routes=health.routes))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture
def own_valkey(tmp_path, settings):
    with valkey.running(tmp_path) as url:
        settings.REDIS_URL = url
        yield url


@pytest.fixture(autouse=True)
def serves(monkeypatch):
    monkeypatch.setattr(health, "PROBE_SECONDS", 30.0)  # a part is not down where the machine stood still
    stopping.clear()
    health.started.set()
    yield
    health.started.clear()
    stopping.clear()
    in_db.close_pool()  # the probe's connection goes before its database


async def test_parts_that_are_down_are_named_with_200(http, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock?db=0"
    answer = await http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "database": "ok", "redis": "down", "workers": "down"}


async def test_a_worker_that_says_it_is_there_is_seen_until_it_leaves(http, own_valkey):
    worker = asyncio.create_task(presence.say("worker-1"))
    async with asyncio.timeout(30):
        while (await http.get("/readyz")).json()["workers"] == "down":
            await asyncio.sleep(0.01)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    assert (await http.get("/readyz")).json()["workers"] == "down"
    await close_async()


async def test_a_redis_that_was_full_for_a_while_silences_nobody(http, own_valkey):
    client = redis.Redis.from_url(own_valkey)
    client.config_set("maxmemory", "1")
    await asyncio.to_thread(presence.say_once, "workers", "worker-1")
    assert (await http.get("/readyz")).json()["workers"] == "down"

    client.config_set("maxmemory", "0")
    await asyncio.to_thread(presence.say_once, "workers", "worker-1")
    assert (await http.get("/readyz")).json()["workers"] == "ok"
    await close_async()


async def test_it_is_503_before_start_up_is_complete(http, own_valkey):
    health.started.clear()
    answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "starting")
    await close_async()


async def test_it_is_503_while_draining_and_the_process_still_lives(http, own_valkey):
    stopping.set()
    answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "draining")
    assert (await http.get("/healthz")).status_code == 200
    await close_async()


async def test_metrics_tell_which_part_is_up(http, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock?db=0"
    text = (await http.get("/metrics")).text
    assert 'modelyard_part_up{part="database"} 1.0' in text
    assert 'modelyard_part_up{part="redis"} 0.0' in text
    assert "modelyard_http_requests_total" in text
