from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from providers import discovery, worker_loop
from providers.models import Discovery, ValidationRun
from providers.upstream import client
from providers.validation import worker
from tenants import in_db
from tests.factories import Team
from tests.fakes.localai import FakeLocalAI

KEY = "sk-local-0123456789abcdef-c0de"
WORK_SECONDS = 60


@pytest.fixture
def loopback(settings: Any) -> None:
    """The operator allows what the fakes listen on."""
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]


@pytest.fixture
def fake(loopback: None) -> Iterator[FakeLocalAI]:
    with FakeLocalAI() as server:
        yield server


@pytest.fixture
def work(transactional_db: None) -> Iterator[Callable[[], None]]:
    """Do what is queued, on a real worker's loop, which ends with the test."""

    def do_all() -> None:
        for run_id in ValidationRun.unscoped.filter(state="queued").order_by("id").values_list("id", flat=True):
            worker.execute(run_id).result(WORK_SECONDS)
        for discovery_id in Discovery.unscoped.filter(state="queued").values_list("id", flat=True):
            discovery.execute(discovery_id).result(WORK_SECONDS)

    yield do_all
    if worker_loop.is_running():
        worker_loop.submit(_hang_up()).result(WORK_SECONDS)
        worker_loop.stop(1.0)
    in_db.close_pool()


async def _hang_up() -> None:
    await client.current().aclose()


def provider_body(base_url: str = "http://192.168.1.100:8080", **changes: Any) -> dict[str, Any]:
    return {"kind": "localai", "name": "gpu-box", "base_url": base_url, **changes}


def register(team: Team, base_url: str = "http://192.168.1.100:8080", **changes: Any) -> dict[str, Any]:
    """A provider, made through the API."""
    response = team.client.post(f"{team.path}/providers", provider_body(base_url, **changes))
    assert response.status_code == 201, response.content
    made: dict[str, Any] = response.json()
    return made


def add_model(team: Team, provider: dict[str, Any], name: str, type: str = "llm", **fields: Any) -> dict[str, Any]:
    body = {"name": name, "type": type, "provider": provider["id"], **fields}
    response = team.client.post(f"{team.path}/models", body)
    assert response.status_code == 201, response.content
    made: dict[str, Any] = response.json()
    return made


def faults(response: Any) -> dict[str, str]:
    """field -> code of a refusal."""
    assert response["Content-Type"] == "application/problem+json", response.content
    return {error["field"]: error["code"] for error in response.json().get("errors", [])}
