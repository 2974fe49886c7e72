"""Servers that cannot be reached: why, and that nothing was sent."""

import socket

import pytest

from providers.errors import Unreachable
from tests.providers.upstream.conftest import closed_port, failed_call, target_to
from tests.providers.upstream.scripted import Scripted, always, answer, self_signed


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
async def test_a_refused_connection_on_loopback_has_a_code_of_its_own(client, host):
    with closed_port("0.0.0.0") as port:
        error = await failed_call(client, f"http://{host}:{port}")

    assert isinstance(error, Unreachable)
    assert error.code == "connection_refused_loopback"
    assert error.sent is False


async def test_a_name_that_does_not_resolve(client):
    error = await failed_call(client, "https://no-such-host.invalid")

    assert (error.code, error.sent) == ("dns_failed", False)
    assert "no-such-host.invalid" in error.message


async def test_a_host_that_drops_packets(client):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        host, port = deaf.getsockname()
        filling = [socket.socket() for _ in range(3)]
        for one in filling:
            one.setblocking(False)
            one.connect_ex((host, port))

        error = await failed_call(client, f"http://{host}:{port}", connect_seconds=0.3)

        for one in filling:
            one.close()
    assert (error.code, error.sent) == ("connect_timeout", False)
    assert "within 0.3 s" in error.message


async def test_tls_towards_a_plain_server(client):
    async def script(peer):
        await peer.reader.read(100)
        await peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with Scripted(script) as server:
        error = await failed_call(client, server.url.replace("http:", "https:"))

    assert (error.code, error.sent) == ("tls_wrong_version", False)


async def test_a_certificate_that_nobody_vouches_for(client, tmp_path):
    async with Scripted(always(answer()), tls=self_signed(tmp_path)) as server:
        error = await failed_call(client, server.url)
        reply = await client.fetch(target_to(server.url, verify_tls=False), "GET", "/x")

    assert (error.code, error.sent) == ("tls_untrusted", False)
    assert reply.status == 200


async def test_a_server_that_accepts_and_never_shakes_hands(client):
    async def script(peer):
        await peer.until_left()

    async with Scripted(script) as server:
        error = await failed_call(client, server.url.replace("http:", "https:"), connect_seconds=0.3)

    assert (error.code, error.sent) == ("connect_timeout", False)
