"""One request, one whole answer: what goes out, what comes back, what is kept and what never is."""

import time
import uuid

import pytest

from providers.upstream.egress import EgressPolicy, parse_allow
from tests.providers.upstream.conftest import target_to
from tests.providers.upstream.scripted import Scripted, always, answer


async def test_any_status_is_a_reply(client):
    async with Scripted(always(answer(b'{"a":1}', status=418, x_hint="tea"))) as server:
        began = time.monotonic()
        reply = await client.fetch(target_to(server.url), "GET", "/version")
        took_ms = (time.monotonic() - began) * 1000

    assert (reply.status, reply.body) == (418, b'{"a":1}')
    assert reply.headers["X-HINT"] == "tea"
    assert 0 <= reply.elapsed_ms <= took_ms + 1


async def test_only_our_headers_go_out(client):
    async with Scripted(always(answer())) as server:
        target = target_to(f"{server.url}/prefix", headers={"Authorization": "Bearer k", "X-Team": "acme"})
        await client.fetch(target, "POST", "/v1/embeddings?x=%7E1", json={"input": "é"}, headers={"X-Own": "1"})

    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/prefix/v1/embeddings?x=%7E1")
    assert request.body == '{"input":"é"}'.encode()
    assert {name.lower(): value for name, value in request.headers.items()} == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "modelyard",
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(request.body)),
        "x-modelyard-hop": "1",
        "authorization": "Bearer k",
        "x-team": "acme",
        "x-own": "1",
    }


async def test_a_calls_own_headers_win(client):
    async with Scripted(always(answer())) as server:
        own = {"authorization": "Bearer admin", "Content-Type": "text/plain"}
        await client.fetch(target_to(server.url), "POST", "/x", content=b"x", headers=own)

    sent = {name.lower(): value for name, value in server.requests[0].headers.items()}
    assert (sent["authorization"], sent["content-type"]) == ("Bearer admin", "text/plain")


async def test_a_request_that_could_smuggle_another_is_not_sent(client):
    async with Scripted(always(answer())) as server:
        with pytest.raises(ValueError):
            await client.fetch(target_to(server.url), "GET", "/x HTTP/1.1\r\nHost: evil\r\n\r\n")
        with pytest.raises(ValueError):
            await client.fetch(target_to(server.url), "GET", "/x", headers={"X-Own": "a\r\nX-Evil: 1"})

    assert server.requests == []


async def test_connections_are_kept_and_cookies_are_not(client):
    async with Scripted(always(answer(set_cookie="session=abc; Path=/"))) as server:
        target = target_to(server.url)
        for _ in range(3):
            await client.fetch(target, "POST", "/x", json={})

    assert server.connections == 1
    assert not any("cookie" in name.lower() for request in server.requests for name in request.headers)


@pytest.mark.parametrize(
    "other",
    [
        {"tenant_id": uuid.uuid4()},
        {"policy": EgressPolicy(parse_allow("127.0.0.0/8"), "another version")},
        {"verify_tls": False},
    ],
    ids=["tenant", "policy", "tls setting"],
)
async def test_a_connection_is_not_shared_with_another(client, other):
    async with Scripted(always(answer())) as server:
        await client.fetch(target_to(server.url), "GET", "/x")
        await client.fetch(target_to(server.url, **other), "GET", "/x")

    assert server.connections == 2


async def test_a_connection_is_shared_between_targets_of_one_origin(client):
    async with Scripted(always(answer())) as server:
        await client.fetch(target_to(server.url), "GET", "/x")
        await client.fetch(target_to(f"{server.url}/prefix", headers={}), "GET", "/x")

    assert server.connections == 1


async def test_a_redirect_is_not_followed(client):
    async with (
        Scripted(always(answer())) as goal,
        Scripted(always(answer(status=307, location=f"{goal.url}/x"))) as server,
    ):
        reply = await client.fetch(target_to(server.url), "POST", "/x", json={})

    assert reply.status == 307
    assert goal.connections == 0


async def test_proxies_of_the_environment_are_ignored(client, monkeypatch):
    async with Scripted(always(answer())) as proxy, Scripted(always(answer())) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("NO_PROXY", "")
        await client.fetch(target_to(server.url), "GET", "/x")

    assert (proxy.connections, server.connections) == (0, 1)
