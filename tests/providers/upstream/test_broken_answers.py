"""Answers that are none, are too much, never end, or that nobody waits for any more."""

import asyncio
import gzip

import pytest

from providers.errors import Malformed, TimedOut
from tests.providers.upstream.conftest import KEY, connect, failed_call, target_to
from tests.providers.upstream.scripted import Scripted, after_an_answer, always, answer, chunk, hang, once, then_wait
from tests.waiting import wait_until


async def reset(peer):
    await peer.request()
    peer.reset()


async def close_at_once(peer):
    await peer.request()


async def drip(peer):
    await peer.request()
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
        await peer.write(bytes([byte]))
        await asyncio.sleep(0.02)


BROKEN = {
    "closed": (close_at_once, "bad_response"),
    "reset": (reset, "bad_response"),
    "cut short": (once(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), "bad_response"),
    "cut in a chunk": (once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf"), "bad_response"),
    "no HTTP": (once(b"SSH-2.0-OpenSSH_9.2\r\n"), "bad_response"),
    "HTTP/0.9": (once(b"<html>hello</html>"), "bad_response"),
    "a huge header": (once(b"HTTP/1.1 200 OK\r\nX-Huge: " + b"x" * 100_000 + b"\r\n\r\n"), "bad_response"),
    "endless headers": (once(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20_000), "bad_response"),
    "a bad chunk size": (once(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "bad_response"),
    "gzip unasked": (once(answer(gzip.compress(b"{}" * 9), content_encoding="gzip")), "bad_response"),
    "hang": (hang, "timeout"),
    "half a head": (then_wait(b"HTTP/1.1 200 OK\r\n"), "timeout"),
    "half a body": (then_wait(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), "timeout"),
    "drip": (drip, "timeout"),
    "only interim answers": (then_wait(b"HTTP/1.1 100 Continue\r\n\r\n" * 50), "timeout"),
}


@pytest.mark.parametrize(("script", "code"), BROKEN.values(), ids=BROKEN)
async def test_an_answer_that_is_none_is_told_as_what_it_is(client, script, code):
    async with Scripted(after_an_answer(script)) as server, asyncio.timeout(60):
        await connect(client, server)
        error = await failed_call(client, server.url, total_seconds=0.5 if code == "timeout" else 90)

    assert (error.code, error.sent) == (code, True)


@pytest.mark.parametrize(
    "script",
    [
        then_wait(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n", b"x" * 3_000_000),
        then_wait(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *([chunk(b"x" * 10_000)] * 20)),
        then_wait(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"x" * 100_000),
    ],
    ids=["declared", "chunked", "until close"],
)
async def test_an_answer_larger_than_the_limit_is_refused(client, script):
    async with Scripted(script) as server:
        error = await failed_call(client, server.url, max_bytes=50_000)
        async with asyncio.timeout(30):
            await server.left.wait()

    assert isinstance(error, Malformed)


async def test_an_answer_of_exactly_the_limit_passes(client):
    async with Scripted(always(answer(b"x" * 50_000))) as server:
        reply = await client.fetch(target_to(server.url), "GET", "/x", max_bytes=50_000)

    assert len(reply.body) == 50_000


async def test_interim_answers_are_passed_over(client):
    async with Scripted(once(b"HTTP/1.1 100 Continue\r\n\r\n", answer(b"[]"))) as server:
        reply = await client.fetch(target_to(server.url), "GET", "/x")

    assert (reply.status, reply.body) == (200, b"[]")


async def test_a_body_that_ends_with_the_connection_is_whole(client):
    async with Scripted(once(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"one ", b"two")) as server:
        reply = await client.fetch(target_to(server.url), "GET", "/x")

    assert reply.body == b"one two"


async def test_a_total_of_the_call_replaces_the_targets(client):
    async with Scripted(hang) as server:
        with pytest.raises(TimedOut) as late:
            await client.fetch(target_to(server.url, total_seconds=30), "GET", "/x", total_seconds=0.2)

    assert late.value.phase == "total"


async def test_a_cancelled_call_closes_the_upstream(client):
    async with Scripted(hang) as server:
        call = asyncio.ensure_future(client.fetch(target_to(server.url), "POST", "/x", json={}))
        await wait_until(lambda: server.requests)
        call.cancel()
        async with asyncio.timeout(30):
            await server.left.wait()

    assert call.cancelled() or call.cancelling()


async def test_a_server_that_does_not_read_is_left_all_the_same(client):
    reads = asyncio.Event()

    async def script(peer):
        peer.writer.transport.pause_reading()
        await reads.wait()
        peer.writer.transport.resume_reading()
        await peer.until_left()

    async with Scripted(after_an_answer(script)) as server:
        await connect(client, server)
        error = await failed_call(client, server.url, total_seconds=0.3, json={"input": "x" * 20_000_000})
        reads.set()
        async with asyncio.timeout(30):
            await server.left.wait()

    assert error.code == "timeout"


async def test_a_key_that_the_server_repeats_does_not_come_back(client):
    async with Scripted(always(answer(f'{{"error":"wrong key {KEY}"}}'.encode(), status=401))) as server:
        reply = await client.fetch(target_to(server.url), "GET", "/x")

    assert reply.body == b'{"error":"wrong key ***"}'
