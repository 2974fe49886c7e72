from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from providers import worker_loop
from providers.jobs import worker as jobs_worker
from tenants import in_db
from tests.factories import Team
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import JobsClient
from tests.providers.rows import add_model, add_provider
from tests.stack.serving import serving


@pytest.fixture
def redis_here(redis_url: str, settings: Any) -> str:
    """A Redis that is empty, for the tested process."""
    import redis

    settings.REDIS_URL = redis_url
    redis.Redis.from_url(redis_url).flushdb()
    return redis_url


@pytest.fixture
def committed(transactional_db: None) -> Iterator[None]:
    """Rows that other threads see; their connections are closed before the database goes."""
    yield
    in_db.close_pool()


@pytest.fixture
def localai() -> Iterator[FakeLocalAI]:
    with FakeLocalAI() as server:
        yield server


@pytest.fixture
def team(committed: None, redis_here: str, settings: Any, localai: FakeLocalAI) -> Team:
    """acme with a LocalAI, a chat model `gpt-3.5-turbo` and an embedding model `text-embedding-ada-002`."""
    from tests.factories import make_team

    settings.EGRESS_ALLOW = ["127.0.0.0/8"]
    acme = make_team("acme")
    provider = add_provider(acme, localai.url, max_concurrency=4)
    add_model(provider, "gpt-3.5-turbo")
    add_model(provider, "text-embedding-ada-002", type="text-embedding")
    return acme


@pytest.fixture
def web(committed: None, redis_here: str) -> Iterator[str]:
    """The whole web process on a real port."""
    from config.asgi import application

    with serving(application) as (host, port):
        yield f"http://{host}:{port}"


@pytest.fixture
def no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the worker hears in this test it hears by a word of its own, however long the test takes."""
    monkeypatch.setattr("providers.jobs.heartbeat.BEAT_SECONDS", 3600.0)
    monkeypatch.setattr("providers.jobs.claims.LEASE_SECONDS", 3600)


@pytest.fixture
def worker(committed: None, redis_here: str) -> Iterator[None]:
    """A worker's loop in this process."""

    async def begin() -> None:
        jobs_worker.begin()

    worker_loop.submit(begin()).result(30)
    yield
    worker_loop.stop(0.5)


@pytest.fixture
def acme_jobs(web: str, team: Team) -> Iterator[JobsClient]:
    with JobsClient(web, team.slug, team.key) as client:
        yield client
