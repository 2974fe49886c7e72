"""A stream's waits all have an end, and leaving it in whatever way closes the upstream."""

import asyncio
import time

import pytest

from providers.errors import CallerError, TimedOut, UpstreamError
from tests.providers.upstream.conftest import PATIENT, STREAM_PATH, closed_port, connect, read_stream, target_to
from tests.providers.upstream.scripted import (
    DONE,
    END,
    HELLO,
    ROLE,
    SSE_HEAD,
    STOP,
    Scripted,
    after_an_answer,
    always,
    chunk,
    hang,
    then_wait,
    whole,
)
from tests.waiting import wait_until


async def drip(peer):
    """Bytes all the time, an event never."""
    await peer.request()
    await peer.write(SSE_HEAD, *([chunk(HELLO)] if peer.server.says_hello else []))
    while True:
        await peer.write(chunk(b"x"))
        await asyncio.sleep(0.02)


async def comments(peer):
    await peer.request()
    await peer.write(SSE_HEAD, *([chunk(HELLO)] if peer.server.says_hello else []))
    while True:
        await peer.write(chunk(b": still here\n\n"))
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("script", "deadlines", "code"),
    [
        (hang, {"first_token_seconds": 0.3}, "first_token_timeout"),
        (then_wait(b"HTTP/1.1 200 OK\r\n"), {"first_token_seconds": 0.3}, "first_token_timeout"),
        (then_wait(SSE_HEAD), {"first_token_seconds": 0.3}, "first_token_timeout"),
        (then_wait(SSE_HEAD, chunk(ROLE)), {"first_token_seconds": 0.3}, "first_token_timeout"),
        (drip, {"first_token_seconds": 0.3}, "first_token_timeout"),
        (comments, {"first_token_seconds": 0.3}, "first_token_timeout"),
        (then_wait(SSE_HEAD, chunk(ROLE), chunk(HELLO)), {"idle_seconds": 0.4}, "stalled"),
        (drip, {"idle_seconds": 0.4}, "stalled"),
        (comments, {"idle_seconds": 5.0, "total_seconds": 6.0}, "timeout"),
    ],
    ids=[
        "silence",
        "half a head",
        "head only",
        "role only",
        "drip before",
        "comments before",
        "stall",
        "drip after",
        "comments after",
    ],
)
async def test_every_wait_has_an_end(client, script, deadlines, code):
    async with Scripted(after_an_answer(script)) as server, asyncio.timeout(60):
        server.says_hello = "idle_seconds" in deadlines
        await connect(client, server)
        with pytest.raises(TimedOut) as late:
            await read_stream(client, server.url, **deadlines)
        async with asyncio.timeout(30):
            await server.left.wait()

    assert (late.value.code, late.value.sent) == (code, True)


async def test_a_slow_reader_is_not_taken_for_a_stalled_server(client):
    async def script(peer):
        await peer.request()
        await peer.write(SSE_HEAD, chunk(HELLO))
        await peer.server.resume.wait()
        await peer.write(chunk(STOP), chunk(DONE), END)

    async with Scripted(script) as server:
        server.resume = asyncio.Event()
        async with client.stream(target_to(server.url, idle_seconds=2.0), STREAM_PATH, content=b"{}") as upstream:
            async for frame in upstream.frames():
                if frame.raw == HELLO:
                    await asyncio.sleep(2.2)  # longer than the server may be silent
                    server.resume.set()


async def test_a_refused_connection_is_told_before_anything_is_read(client):
    with closed_port() as port, pytest.raises(UpstreamError) as refused:
        await read_stream(client, f"http://127.0.0.1:{port}")

    assert (refused.value.code, refused.value.sent) == ("connection_refused_loopback", False)


# --- Leaving ---
@pytest.mark.parametrize(
    "script",
    [hang, then_wait(SSE_HEAD), then_wait(SSE_HEAD, chunk(ROLE)), then_wait(SSE_HEAD, chunk(HELLO))],
    ids=["before the head", "before the first frame", "before the first token", "after the first token"],
)
async def test_a_cancelled_stream_closes_the_upstream(client, script):
    async with Scripted(script) as server:
        reading = asyncio.ensure_future(read_stream(client, server.url))
        await wait_until(lambda: server.requests)
        reading.cancel()
        async with asyncio.timeout(30):
            await server.left.wait()

    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_leaving_in_the_middle_closes_the_upstream(client):
    async with Scripted(then_wait(SSE_HEAD, chunk(HELLO))) as server:
        async with client.stream(target_to(server.url), STREAM_PATH, content=b"{}") as upstream:
            async for _ in upstream.frames():
                break
        async with asyncio.timeout(30):
            await server.left.wait()


async def test_leaving_by_an_error_of_our_own_closes_the_upstream(client):
    async with Scripted(then_wait(SSE_HEAD, chunk(HELLO))) as server:

        def fail():
            raise CallerError("cancelled")

        with pytest.raises(CallerError):
            await read_stream(client, server.url, on_frame=fail)
        async with asyncio.timeout(30):
            await server.left.wait()


async def test_a_server_that_keeps_the_connection_open_after_its_end_mark_does_not_hold_us_up(client):
    async with Scripted(then_wait(SSE_HEAD, chunk(HELLO), chunk(DONE))) as server:
        started = time.monotonic()
        assert [frame.raw for frame in await read_stream(client, server.url)] == [HELLO, DONE]
        assert time.monotonic() - started < PATIENT["idle_seconds"] / 2
        async with asyncio.timeout(30):
            await server.left.wait()


async def test_a_server_that_does_not_read_is_left_all_the_same(client):
    async def script(peer):
        peer.writer.transport.pause_reading()
        peer.server.accepted.set()
        await peer.server.resume.wait()
        peer.writer.transport.resume_reading()
        await peer.until_left()

    async with Scripted(script) as server:
        server.accepted, server.resume = asyncio.Event(), asyncio.Event()

        async def send():
            async with client.stream(target_to(server.url), STREAM_PATH, content=b"x" * 20_000_000):
                pass

        sending = asyncio.ensure_future(send())
        await server.accepted.wait()
        sending.cancel()
        server.resume.set()
        async with asyncio.timeout(30):
            await server.left.wait()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_many_streams_run_at_once_and_leave_nothing_behind(client):
    async with Scripted(always(whole(ROLE, HELLO, STOP, DONE))) as server:
        target = target_to(server.url)

        async def one():
            async with client.stream(target, STREAM_PATH, content=b"{}") as upstream:
                return [frame.raw async for frame in upstream.frames()]

        answers = await asyncio.gather(*(one() for _ in range(150)))

    assert answers == [[ROLE, HELLO, STOP, DONE]] * 150
