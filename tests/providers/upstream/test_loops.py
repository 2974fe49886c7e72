"""One client for each event loop: the gateway's uvloop and a worker's asyncio loop live in one process."""

import asyncio
import threading

import pytest
import uvloop

from providers.upstream import pool
from providers.upstream.client import current
from tests.providers.upstream.conftest import target_to
from tests.providers.upstream.scripted import (
    DONE,
    HELLO,
    SSE_HEAD,
    Scripted,
    always,
    answer,
    chunk,
    self_signed,
    then_wait,
)

FACTORIES = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_calls_and_streams_work_on_every_kind_of_loop(factory, tmp_path):
    async def main():
        client = current()
        assert current() is client
        async with Scripted(always(answer(b"[1]"))) as server:
            assert (await client.fetch(target_to(server.url), "GET", "/x")).body == b"[1]"
        async with Scripted(always(answer()), tls=self_signed(tmp_path)) as server:
            assert (await client.fetch(target_to(server.url, verify_tls=False), "GET", "/x")).status == 200
        async with Scripted(then_wait(SSE_HEAD, chunk(HELLO))) as server:
            call = client.stream(target_to(server.url), "/x", content=b"{}")
            async with call as upstream:
                async for _ in upstream.frames():
                    break
            async with asyncio.timeout(30):
                await server.left.wait()
        await client.aclose()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


def test_loops_in_several_threads_do_not_share_a_client():
    clients = []

    async def main():
        async with Scripted(always(SSE_HEAD + chunk(HELLO) + chunk(DONE) + b"0\r\n\r\n")) as server:
            call = current().stream(target_to(server.url), "/x", content=b"{}")
            async with call as upstream:
                assert len([frame async for frame in upstream.frames()]) == 2
        clients.append(current())
        await current().aclose()

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len({id(client) for client in clients}) == 3


async def test_connections_that_nobody_uses_are_hung_up(client, monkeypatch):
    monkeypatch.setattr(pool, "KEEPALIVE_SECONDS", 0.05)
    monkeypatch.setattr(pool, "SWEEP_SECONDS", 0.05)
    async with Scripted(always(answer())) as server:
        await client.fetch(target_to(server.url), "GET", "/x")
        async with asyncio.timeout(30):
            await server.left.wait()

        assert (await client.fetch(target_to(server.url), "GET", "/x")).status == 200
    assert server.connections == 2


async def test_a_client_that_was_closed_keeps_no_connection(client):
    async with Scripted(always(answer())) as server:
        target = target_to(server.url)
        await client.fetch(target, "GET", "/x")
        await client.aclose()
        async with asyncio.timeout(30):
            await server.left.wait()
        server.left.clear()

        assert (await client.fetch(target, "GET", "/x")).status == 200
        async with asyncio.timeout(30):
            await server.left.wait()
