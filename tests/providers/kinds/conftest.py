from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from providers.upstream.client import UpstreamClient
from tests.fakes.localai import FakeLocalAI
from tests.fakes.xinference import FakeXinference


@pytest.fixture
def fake() -> Iterator[FakeLocalAI]:
    """A LocalAI of today with the two models of every quick start."""
    with FakeLocalAI() as server:
        yield server


@pytest.fixture
def xinference() -> Iterator[FakeXinference]:
    """A Xinference with nothing launched."""
    with FakeXinference() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[UpstreamClient]:
    client = UpstreamClient()
    yield client
    await client.aclose()
