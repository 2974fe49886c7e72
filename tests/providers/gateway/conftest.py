"""The whole web process behind a real uvicorn, and a fake LocalAI behind that."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from providers import usage
from providers.models import ModelEntry, Provider, UsageRecord
from providers.redis import key, sync_redis
from tests.factories import Team, bearer
from tests.fakes.http_server import Received
from tests.fakes.localai import FakeLocalAI
from tests.providers.rows import add_model, add_provider
from tests.stack.serving import serving
from tests.waiting import wait_for


@dataclass
class Gateway:
    """acme's way through /v1 to the fake: `gpt-4` chats there as `gpt-3.5-turbo`, `ada` embeds."""

    url: str
    team: Team
    fake: FakeLocalAI
    provider: Provider
    chat_model: ModelEntry

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        headers = {} if key == NO_KEY else bearer(self.team.key if key is None else key)
        headers |= options.pop("headers", {})
        # verify: no certificates are needed, and reading all of them takes longer than most calls. No connection is
        # kept: the server may close it just when it is used again.
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, verify=False, limits=limits, **options)

    def post(self, path: str, body: Any = None, *, key: str | None = None, **options: Any) -> httpx.Response:
        with self.client(key) as client:
            return client.post(f"/v1/{path}", json=body, **options)

    def get(self, path: str, *, key: str | None = None) -> httpx.Response:
        with self.client(key) as client:
            return client.get(f"/v1/{path}")

    def chat(self, **fields: Any) -> httpx.Response:
        return self.post("chat/completions", {**HELLO, **fields})

    def stream(self, **fields: Any) -> httpx.Response:
        return self.chat(stream=True, **fields)

    def sent(self, path: str = "/v1/chat/completions") -> Any:
        """The body of the last request that reached the model server."""
        return self.fake.requests(path)[-1].json

    def metered(self, calls: int) -> list[UsageRecord]:
        """The records of so many calls, oldest first. A call is noted after its answer has left."""

        def written() -> list[UsageRecord]:
            usage.flush()
            records = list(UsageRecord.objects.for_tenant(self.team.id).order_by("id"))
            return records if len(records) >= calls else []

        records = wait_for(written)
        assert len(records) == calls
        return records

    def used(self) -> UsageRecord:
        """The record of the only call."""
        return self.metered(1)[0]


NO_KEY = ""
HELLO = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello there"}]}


@pytest.fixture(scope="session")
def application() -> Any:
    from config.asgi import application

    return application


@pytest.fixture
def fake() -> Iterator[FakeLocalAI]:
    with FakeLocalAI() as running:
        yield running


@pytest.fixture
def open_egress(settings: Any, redis_url: str) -> None:
    settings.REDIS_URL = redis_url
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]
    settings.USAGE_FLUSH_SECONDS = 0.05


@pytest.fixture
def server_url(transactional_db: None, open_egress: None, application: Any) -> Iterator[str]:
    with serving(application) as (host, port):
        yield f"http://{host}:{port}"
    usage.flush()


@pytest.fixture
def gateway(server_url: str, acme: Team, fake: FakeLocalAI) -> Gateway:
    provider = add_provider(acme, fake.url, secrets={"api_key": "upstream-key"}, max_concurrency=None)
    chat_model = add_model(provider, "gpt-4", upstream_name="gpt-3.5-turbo")
    add_model(provider, "ada", type="text-embedding", upstream_name="text-embedding-ada-002")
    return Gateway(server_url, acme, fake, provider, chat_model)


@pytest.fixture
def call(gateway: Gateway) -> Iterator[Callable[..., socket.socket]]:
    """Sends a call over a bare socket, which the test closes."""
    opened: list[socket.socket] = []

    def send(**fields: Any) -> socket.socket:
        host, port = gateway.url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)))
        opened.append(connection)
        body = orjson.dumps({**HELLO, **fields})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {gateway.team.key}\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return connection

    yield send
    for connection in opened:
        connection.close()


@pytest.fixture
def nothing_lapses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is forgotten because of a word about a change, and never because of its age."""
    monkeypatch.setattr("providers.fresh_cache.LIFETIME_SECONDS", 3600.0)
    monkeypatch.setattr("providers.fresh_cache.DEAF_LIFETIME_SECONDS", 3600.0)


class Clock:
    """A clock that goes right until a test puts it forward."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0

    def time(self) -> float:
        return time.time() + self.ahead_seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    def forward(self, seconds: float) -> None:
        self.ahead_seconds += seconds


@pytest.fixture
def clock_of_rests(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Clock:
    """The first rest of what fails is a minute long: none ends by itself while a test goes on."""
    clock = Clock()
    settings.BREAKER_FIRST_SECONDS = settings.BREAKER_MOST_SECONDS = 60.0
    monkeypatch.setattr("providers.breakers.board.time", clock)
    return clock


@pytest.fixture
def clock_of_keys(monkeypatch: pytest.MonkeyPatch, nothing_lapses: None) -> Clock:
    """Keys end by it, those that are remembered too."""
    clock = Clock()
    monkeypatch.setattr("providers.gateway.callers.time", clock)
    monkeypatch.setattr("tenants.authentication.timezone", clock)
    return clock


def upstream_call(gateway: Gateway) -> Received:
    """The first call that reaches the model server."""
    return wait_for(lambda: gateway.fake.requests("/v1/chat/completions"))[0]


def held_call(gateway: Gateway) -> Received:
    """The first call that hangs at the model server: it hangs on when the dial is turned back."""
    return wait_for(lambda: [call for call in gateway.fake.requests("/v1/chat/completions") if call.hangs])[0]


def kept_alive(gateway: Gateway, path: str = "chat/completions", *, comments: int = 1, **sent: Any) -> httpx.Response:
    """A stream whose server goes on, or fails, only once so many comments have come."""
    dial, content = gateway.fake.dial, b""
    with gateway.client() as client, client.stream("POST", f"/v1/{path}", **sent) as response:
        for piece in response.iter_raw():
            content += piece
            if content.count(b": keepalive\n\n") >= comments:
                dial.cold_load_seconds = dial.fail_delay_seconds = dial.token_delay_seconds = 0.0
    return httpx.Response(response.status_code, headers=response.headers, content=content)


def in_line(gateway: Gateway) -> int:
    """How many calls wait for a slot of the provider, whose own figure alone counts until it is validated."""
    return int(sync_redis().hlen(key(f"slots:provider:{gateway.provider.pk}:cards")))


def events(response: httpx.Response) -> list[bytes]:
    """The data of each event, without comments."""
    lines = response.content.split(b"\n\n")
    return [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: ")]


def chunks(response: httpx.Response) -> list[dict[str, Any]]:
    return [orjson.loads(data) for data in events(response) if data != b"[DONE]"]


def text(response: httpx.Response) -> str:
    choices = [chunk["choices"][0] for chunk in chunks(response) if chunk.get("choices")]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def error(response: httpx.Response) -> tuple[int, str]:
    """Status and code, once the body has been seen to be OpenAI's."""
    body = response.json()["error"]
    assert set(body) == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"]
    return response.status_code, body["code"]
