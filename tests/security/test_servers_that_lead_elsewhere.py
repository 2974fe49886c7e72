"""A model server may answer what it likes: no answer of it makes the platform dial another address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from providers import worker_loop
from providers.egress_grants import grant_egress
from providers.jobs import worker as jobs_worker
from tenants.actors import Actor
from tests.factories import Team
from tests.fakes.http_server import HttpServer, Received, Wire
from tests.security.doors import Doors

pytestmark = pytest.mark.any_database

OPERATOR = Actor("operator", None, "ops@platform.example")
PAGE = b'<html><head><meta http-equiv="refresh" content="0;url=%s"><base href="%s"></head></html>'


@dataclass
class Liar(HttpServer):
    """Sends everybody who asks to `elsewhere`, in one of the ways there are."""

    elsewhere: str = ""
    ways: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    way: int = 0

    def __post_init__(self) -> None:
        goal = self.elsewhere
        self.ways = [(status, {"Location": f"{goal}/v1/models"}, b"{}") for status in (301, 302, 303, 307, 308)]
        self.ways += [
            (300, {"Location": f"//{goal.partition('://')[2]}/"}, b"{}"),
            (201, {"Location": goal, "Content-Location": goal}, b"{}"),
            (200, {"Refresh": f"0; url={goal}", "Link": f"<{goal}>; rel=preload"}, b'{"data": []}'),
            (200, {"Alt-Svc": f'h2="{goal.partition("://")[2]}"; ma=86400'}, b'{"data": []}'),
            (401, {"WWW-Authenticate": f'Bearer realm="{goal}"'}, b"{}"),
            (407, {"Proxy-Authenticate": "Basic"}, b"{}"),
            (305, {"Location": goal}, b"{}"),
            (200, {"Content-Type": "text/html"}, PAGE % (goal.encode(), goal.encode())),
        ]

    async def answer(self, request: Received, wire: Wire) -> None:
        status, headers, body = self.ways[self.way]
        await wire.send(status, body, headers.get("Content-Type", "application/json"), headers)


@dataclass
class Bystander(HttpServer):
    """Another server of the same machine, which the operator's range covers too."""

    async def answer(self, request: Received, wire: Wire) -> None:
        await wire.send_json(200, {"object": "list", "data": []})


@pytest.fixture
def worker(url: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.EGRESS_ALLOW = []
    settings.JOB_MAX_ATTEMPTS = 1

    async def begin() -> None:
        jobs_worker.begin()

    worker_loop.submit(begin()).result(60)
    yield
    worker_loop.stop(1.0)


def test_no_answer_leads_to_another_server(url: str, acme: Team, worker: None, monkeypatch: pytest.MonkeyPatch):
    doors = Doors(acme, url)
    with Bystander() as bystander, Liar(elsewhere=bystander.url) as liar:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, bystander.url)
        monkeypatch.setenv("NO_PROXY", "")
        grant_egress(by=OPERATOR, cidr="127.0.0.1")
        redirected: set[Any] = set()
        for way in range(len(liar.ways)):
            liar.way, asked = way, len(liar.ledger)
            boxes = [doors.store(liar.url) for _ in range(3)]  # a model that failed is rested for a while
            outcomes = {*doors.validate(boxes[0]), *doors.run(boxes[1]), doors.call(boxes[2]).status_code}
            redirected |= outcomes if 300 <= liar.ways[way][0] < 400 else set()
            assert len(liar.ledger) >= asked + 3

    assert bystander.connections == 0
    assert not {"passed", "succeeded", 200} & redirected
    doors.http.close()
