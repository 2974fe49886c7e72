"""The proxy harms what it says it harms: an echo server stands behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.chaos.toxic import Bandwidth, Latency, LimitData, ResetPeer, Slicer, SlowClose, Timeout, Toxic, ToxicProxy

HELLO = b"x" * 1000


@asynccontextmanager
async def echo_behind(*toxics: Toxic) -> AsyncIterator[ToxicProxy]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        with ToxicProxy(server.sockets[0].getsockname()[1], list(toxics)) as proxy:
            yield proxy


async def echoed(proxy: ToxicProxy, data: bytes = HELLO) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(-1), 30)
    finally:
        writer.close()


async def test_without_a_toxic_everything_passes():
    async with echo_behind() as proxy:
        assert await echoed(proxy, HELLO * 1000) == HELLO * 1000


@pytest.mark.parametrize(
    "toxic",
    [Latency(0.1, way="up"), Bandwidth(10_000, way="down"), SlowClose(0.1, way="up")],
    ids=lambda toxic: type(toxic).__name__,
)
async def test_what_slows_loses_nothing_and_takes_its_time(toxic: Toxic):
    async with echo_behind(toxic) as proxy:
        began_at = time.monotonic()
        assert await echoed(proxy) == HELLO
        assert time.monotonic() - began_at >= 0.1  # a lower bound of what the toxic adds


async def test_the_slicer_loses_nothing():
    async with echo_behind(Slicer(7)) as proxy:
        assert await echoed(proxy) == HELLO


async def test_limited_data_ends_the_connection():
    async with echo_behind(LimitData(100, way="down")) as proxy:
        assert await echoed(proxy) == HELLO[:100]


async def test_reset_peer_is_a_reset_and_not_an_end():
    async with echo_behind(ResetPeer(way="down")) as proxy:
        with pytest.raises(ConnectionResetError):
            await echoed(proxy)


async def test_a_timeout_swallows_everything_then_closes():
    async with echo_behind(Timeout(0.05, way="down")) as proxy:
        assert await echoed(proxy) == b""


async def test_down_refuses_new_connections_and_heal_takes_them_again():
    async with echo_behind(Timeout()) as proxy:
        proxy.down()
        with pytest.raises(ConnectionRefusedError):
            await echoed(proxy)
        proxy.heal()
        assert await echoed(proxy) == HELLO
