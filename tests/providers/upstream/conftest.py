import socket
import uuid
from contextlib import contextmanager

import pytest

from providers.errors import UpstreamError
from providers.upstream.client import UpstreamClient
from providers.upstream.egress import EgressPolicy, parse_allow
from providers.upstream.target import Target, Timeouts

ACME = uuid.UUID("01930000-0000-7000-8000-00000000acae")
STREAM_PATH = "/v1/chat/completions"
KEY = "sk-acme-canary-5f1e"
LOOPBACK = EgressPolicy(parse_allow("127.0.0.0/8,::1"), "loopback")


# No deadline but the one that a test is about comes before its time because the machine stands still.
PATIENT = {"connect_seconds": 60.0, "first_token_seconds": 60.0, "idle_seconds": 60.0, "total_seconds": 90.0}


def target_to(url, *, tenant_id=ACME, policy=LOOPBACK, verify_tls=True, headers=None, **seconds):
    return Target(
        tenant_id=tenant_id,
        provider_id=None,
        kind="localai",
        base_url=url,
        headers={"Authorization": f"Bearer {KEY}"} if headers is None else headers,
        admin_headers=None,
        timeouts=Timeouts(**{**PATIENT, **seconds}),
        verify_tls=verify_tls,
        policy=policy,
        upstream_name="there",
        model_name="here",
        model_entry_id=None,
        endpoint="box",
        max_concurrency=None,
    )


@contextmanager
def closed_port(host="127.0.0.1"):
    """A port where nothing listens, and nobody else can begin to."""
    with socket.socket() as reserved:
        reserved.bind((host, 0))
        yield reserved.getsockname()[1]


async def connect(client, server):
    """Have a connection to the server rest, so that the next call's deadline cannot fall into the dialling."""
    assert (await client.fetch(target_to(server.url), "GET", "/x")).status == 200


class Resolver:
    """The answers of the system's resolver, one after the other; the last one stays."""

    def __init__(self, monkeypatch, *answers):
        self.answers = list(answers)
        self.asked = 0
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host, port, *args, **kwargs):
        if host != "model.test":
            return self._real(host, port, *args, **kwargs)
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [self._entry(address) for address in addresses]

    def _entry(self, address):
        is_v6 = ":" in address
        family = socket.AF_INET6 if is_v6 else socket.AF_INET
        return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 0, 0, 0) if is_v6 else (address, 0))


@pytest.fixture
async def client():
    made = UpstreamClient()
    yield made
    await made.aclose()


async def failed_call(client, url, **kwargs):
    """The error of a unary call that must fail."""
    limits = {name: kwargs.pop(name) for name in list(kwargs) if name.endswith("_seconds")}
    call = {name: kwargs.pop(name) for name in ("max_bytes", "json", "content") if name in kwargs}
    with pytest.raises(UpstreamError) as raised:
        await client.fetch(target_to(url, **limits, **kwargs), "POST", "/v1/chat/completions", **(call or {"json": {}}))
    return raised.value


async def read_stream(client, url, on_frame=None, **kwargs):
    """All frames of one stream."""
    frames = []
    async with client.stream(target_to(url, **kwargs), STREAM_PATH, content=b"{}") as upstream:
        async for frame in upstream.frames():
            frames.append(frame)
            if on_frame:
                on_frame()
    return frames
