"""The whole web process behind a real uvicorn, as the tests of this package meet it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tenants import in_db
from tests.security.operations import Operation, operations_of
from tests.security.world import World, make_world
from tests.stack.serving import serving


@pytest.fixture
def url(transactional_db: None, redis_url: str, settings: Any) -> Iterator[str]:
    from config.asgi import application

    settings.REDIS_URL = redis_url
    settings.ACCESS_LOG_SAMPLE = 0.0  # thousands of calls: what was answered is looked at here
    with serving(application) as (host, port):
        yield f"http://{host}:{port}"
    in_db.close_pool()


@pytest.fixture
def connect(url: str) -> Iterator[Callable[..., httpx.Client]]:
    """Makes clients that send these headers."""
    opened: list[httpx.Client] = []

    def make(headers: Any = None) -> httpx.Client:
        opened.append(httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60, verify=False))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture
def operations(connect: Callable[..., httpx.Client]) -> list[Operation]:
    return operations_of(connect().get("/api/schema/", headers={"Accept": "application/json"}).json())
