"""A connect taken step by step: which step failed, and how long each took."""

import asyncio
import socket

import pytest

from providers.errors import UpstreamError
from providers.upstream.client import ConnectTrace
from providers.upstream.egress import EgressPolicy, parse_allow
from tests.providers.upstream.conftest import closed_port, target_to
from tests.providers.upstream.scripted import Scripted, always, answer, self_signed

NOTHING = EgressPolicy((), "nothing")


async def traced(client, url, **kwargs):
    trace = ConnectTrace()
    try:
        await client.connect(target_to(url, **kwargs), trace)
    except UpstreamError as error:
        return trace if trace.error is error else None
    return trace


def names(trace):
    return [step for step, _ in trace.steps()]


async def test_a_literal_over_http_needs_policy_and_connect_alone(client):
    async with Scripted(always(answer())) as server:
        trace = await traced(client, server.url)

    assert names(trace) == ["policy", "connect"]
    assert (trace.failed, trace.error, trace.peer) == (None, None, "127.0.0.1")
    assert trace.addresses == ("127.0.0.1",)


async def test_a_name_is_resolved_first(client):
    async with Scripted(always(answer())) as server:
        trace = await traced(client, f"http://localhost:{server.port}/prefix")

    assert names(trace) == ["policy", "dns", "connect"]
    assert trace.peer == "127.0.0.1"
    assert "127.0.0.1" in trace.addresses


async def test_tls_is_a_step_of_its_own(client, tmp_path):
    async with Scripted(always(answer()), tls=self_signed(tmp_path)) as server:
        good = await traced(client, server.url, verify_tls=False)
        bad = await traced(client, server.url)

    assert names(good) == names(bad) == ["policy", "connect", "tls"]
    assert (good.failed, bad.failed, bad.error.code) == (None, "tls", "tls_untrusted")


async def test_tls_towards_a_plain_server(client):
    async with Scripted(always(answer())) as server:
        trace = await traced(client, server.url.replace("http:", "https:"), connect_seconds=2.0)
    assert trace.failed == "tls"

    async def script(peer):
        await peer.reader.read(100)
        await peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with Scripted(script) as server:
        trace = await traced(client, server.url.replace("http:", "https:"))
    assert (trace.failed, trace.error.code) == ("tls", "tls_wrong_version")


async def test_a_server_that_hangs_up_on_a_tls_greeting(client):
    async def script(peer):
        await peer.reader.read(100)

    async with Scripted(script) as server:
        trace = await traced(client, server.url.replace("http:", "https:"))

    assert (trace.failed, trace.error.code) == ("tls", "tls_wrong_version")


async def test_a_refused_connection(client):
    with closed_port() as port:
        trace = await traced(client, f"http://localhost:{port}")

    assert (trace.failed, trace.error.code) == ("connect", "connection_refused_loopback")
    assert names(trace) == ["policy", "dns", "connect"]
    assert f"localhost:{port}" in trace.error.message


async def test_a_name_that_does_not_resolve(client):
    trace = await traced(client, "https://no-such-host.invalid")

    assert (trace.failed, trace.error.code) == ("dns", "dns_failed")
    assert names(trace) == ["policy", "dns"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:8080"])
async def test_a_forbidden_address_fails_the_policy_and_says_no_more(client, url):
    trace = await traced(client, url, policy=NOTHING)

    assert (trace.failed, trace.error.code) == ("policy", "destination_forbidden")
    assert names(trace) == ["policy"]
    assert trace.addresses == ()


async def test_localhost_is_dialled_at_the_loopback_that_is_allowed(client):
    policy = EgressPolicy(parse_allow("127.0.0.0/8"), "only IPv4")
    async with Scripted(always(answer())) as server:
        trace = await traced(client, f"http://localhost:{server.port}", policy=policy)
        reply = await client.fetch(target_to(f"http://localhost:{server.port}", policy=policy), "GET", "/x")

    assert trace.addresses == ("127.0.0.1",)
    assert reply.status == 200


async def test_plain_http_to_a_public_address_fails_the_policy(client):
    trace = await traced(client, "http://1.1.1.1", policy=NOTHING)

    assert (trace.failed, trace.error.code) == ("policy", "destination_forbidden")


async def test_a_connect_that_gets_no_answer_ends(client):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        filling = [socket.socket() for _ in range(3)]
        for one in filling:
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        trace = await traced(client, f"http://127.0.0.1:{deaf.getsockname()[1]}", connect_seconds=0.3)
        for one in filling:
            one.close()

    assert (trace.failed, trace.error.code) == ("connect", "connect_timeout")
    assert trace.connect_ms >= 250


async def test_a_fetch_with_a_trace_dials_anew_and_fills_it(client):
    async with Scripted(always(answer())) as server:
        target = target_to(server.url)
        await client.fetch(target, "GET", "/x")
        trace = ConnectTrace()
        reply = await client.fetch(target, "GET", "/x", trace=trace)

    assert reply.status == 200
    assert names(trace) == ["policy", "connect"]
    assert server.connections == 2


async def test_a_trace_hangs_up(client):
    async def script(peer):
        await peer.until_left()

    async with Scripted(script) as server:
        await traced(client, server.url)
        async with asyncio.timeout(30):
            await server.left.wait()
