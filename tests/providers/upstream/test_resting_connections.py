"""Connections between two calls: used again only where nothing can be mistaken."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest

from providers.errors import UpstreamError
from providers.upstream.client import UpstreamClient
from tests.providers.upstream.conftest import PATIENT, Resolver, target_to
from tests.providers.upstream.scripted import Scripted, always, answer, once
from tests.waiting import wait_until


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used(client):
    async with Scripted(once(answer())) as server:
        target = target_to(server.url)
        for number in range(1, 4):
            assert (await client.fetch(target, "POST", "/x", json={})).status == 200
            await wait_until(lambda number=number: server.closed == number)

    assert server.connections == 3


def test_a_goodbye_that_the_loop_has_not_got_round_to_is_heard():
    """A busy loop reads the end of a connection late; the next call must not be sent into it."""
    farewell = threading.Event()

    def serve(listening):
        for _ in range(2):
            accepted, _ = listening.accept()
            accepted.recv(65536)
            accepted.sendall(answer())
            accepted.close()
            farewell.set()

    async def main(url):
        client = UpstreamClient()
        target = target_to(url)
        for _ in range(2):
            farewell.clear()
            assert (await client.fetch(target, "POST", "/x", json={})).status == 200
            farewell.wait(60)  # and the loop does not run meanwhile

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve, args=(listening,), daemon=True)
        serving.start()
        asyncio.run(main(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        serving.join(60)


async def hang_up_on_the_second(peer):
    """The race of every kept connection: the server gives it up just when the next request comes."""
    await peer.request()
    await peer.write(answer())
    if peer.server.connections == 1:
        await peer.request()


@pytest.mark.parametrize(("method", "connections"), [("GET", 2), ("POST", 1)])
async def test_what_is_harmless_is_asked_anew_when_a_kept_connection_breaks(client, method, connections):
    async with Scripted(hang_up_on_the_second) as server:
        target = target_to(server.url)
        await client.fetch(target, "GET", "/x")
        with contextlib.suppress(UpstreamError):
            await client.fetch(target, method, "/x", content=b"{}")

    assert server.connections == connections


async def test_bytes_that_nobody_asked_for_cost_the_connection(client):
    async def script(peer):
        await peer.request()
        await peer.write(answer(b"[1]"))
        await peer.server.speak.wait()
        await peer.write(answer(b"[2]"))
        await peer.until_left()

    async with Scripted(script) as server:
        server.speak = asyncio.Event()
        target = target_to(server.url)
        first = await client.fetch(target, "GET", "/x")
        server.speak.set()
        async with asyncio.timeout(30):
            await server.left.wait()
        again = asyncio.ensure_future(client.fetch(target, "GET", "/x"))
        second = await again

    assert (first.body, second.body) == (b"[1]", b"[1]")


async def test_a_second_answer_to_one_request_is_not_taken_for_the_next(client):
    async with Scripted(always(answer(b"[1]") + answer(b"[2]"))) as server:
        target = target_to(server.url)
        bodies = [(await client.fetch(target, "GET", "/x")).body for _ in range(3)]

    assert bodies == [b"[1]"] * 3
    assert server.connections == 3


async def test_a_name_with_a_dead_address_is_reached_at_the_next(client, monkeypatch):
    async with Scripted(always(answer())) as server:
        Resolver(monkeypatch, ["127.0.0.9", "127.0.0.1"])
        reply = await client.fetch(target_to(f"http://model.test:{server.port}"), "GET", "/x")

    assert reply.status == 200
    assert server.connections == 1


async def test_a_name_with_a_silent_address_does_not_wait_for_it(client, monkeypatch):
    async with Scripted(always(answer())) as server:
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.9", server.port))
            deaf.listen(0)
            filling = [socket.socket() for _ in range(3)]
            for one in filling:
                one.setblocking(False)
                one.connect_ex(deaf.getsockname())
            Resolver(monkeypatch, ["127.0.0.9", "127.0.0.1"])
            started = time.monotonic()
            reply = await client.fetch(target_to(f"http://model.test:{server.port}"), "GET", "/x")
            for one in filling:
                one.close()

    assert reply.status == 200
    assert time.monotonic() - started < PATIENT["connect_seconds"] / 2
