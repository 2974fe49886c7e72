"""Streamed answers: frames within deadlines, an honest end, and an upstream that is closed when we leave."""

import asyncio

import pytest

from providers.errors import BrokenOff, Malformed, ProviderError
from providers.upstream import stream as stream_module
from providers.upstream.wire import error_in_frame
from tests.providers.upstream.conftest import KEY, STREAM_PATH, read_stream, target_to
from tests.providers.upstream.scripted import (
    DONE,
    END,
    HELLO,
    ROLE,
    SSE_HEAD,
    SSE_HEAD_UNTIL_CLOSE,
    STOP,
    Scripted,
    always,
    answer,
    chunk,
    once,
    whole,
)


async def failure(client, script, **kwargs):
    async with Scripted(script) as server, asyncio.timeout(30):
        with pytest.raises(ProviderError) as raised:
            await read_stream(client, server.url, **kwargs)
    return raised.value


async def test_frames_come_with_their_exact_bytes_and_the_connection_is_kept(client):
    async with Scripted(always(whole(ROLE, HELLO, STOP, DONE))) as server:
        first = await read_stream(client, server.url)
        second = await read_stream(client, server.url)

    assert [frame.raw for frame in first] == [frame.raw for frame in second] == [ROLE, HELLO, STOP, DONE]
    assert server.connections == 1


async def test_the_request_asks_for_a_stream(client):
    async with Scripted(always(whole(HELLO, DONE))) as server:
        call = client.stream(target_to(server.url), STREAM_PATH, content=b'{"a":1}', headers={"X-Own": "1"})
        async with call as upstream:
            assert (upstream.status, upstream.headers["content-type"]) == (200, "text/event-stream")

    [request] = server.requests
    assert (request.method, request.path, request.body) == ("POST", STREAM_PATH, b'{"a":1}')
    assert request.headers["Accept"] == "text/event-stream"
    assert request.headers["X-Own"] == "1"


async def test_what_arrived_together_comes_in_one_batch(client):
    async with Scripted(always(whole(ROLE, HELLO, STOP, DONE))) as server:
        call = client.stream(target_to(server.url), STREAM_PATH, content=b"{}")
        async with call as upstream:
            batches = [[frame.raw for frame in batch] async for batch in upstream.batches()]

    assert batches == [[ROLE, HELLO, STOP, DONE]]


@pytest.mark.parametrize("size", [1, 3, 50])
async def test_events_cut_anywhere_are_whole_again(client, size):
    events = ROLE + HELLO.replace(b"\n\n", b"\r\n\r\n") + b": ping\n\n" + STOP + DONE

    async def script(peer):
        await peer.request()
        await peer.write(SSE_HEAD)
        for at in range(0, len(events), size):
            await peer.write(chunk(events[at : at + size]))
            await asyncio.sleep(0)
        await peer.write(END)

    async with Scripted(script) as server:
        frames = await read_stream(client, server.url)

    assert b"".join(frame.raw for frame in frames) == events.replace(b": ping\n\n", b"")


async def test_nothing_after_the_end_mark_is_passed_on(client):
    async with Scripted(always(whole(HELLO, DONE, HELLO, DONE))) as server:
        assert [frame.raw for frame in await read_stream(client, server.url)] == [HELLO, DONE]


@pytest.mark.parametrize(
    "pieces",
    [
        (SSE_HEAD, chunk(HELLO), chunk(STOP), END),
        (SSE_HEAD_UNTIL_CLOSE, HELLO, STOP),
        (SSE_HEAD_UNTIL_CLOSE, HELLO, STOP.rstrip()),
        (SSE_HEAD_UNTIL_CLOSE, HELLO, STOP, b'data: {"choices":[],"usage":{"completion_tokens":1}}\n\n'),
        (SSE_HEAD_UNTIL_CLOSE, HELLO, DONE.rstrip()),
    ],
    ids=["no end mark", "until close", "no last blank line", "usage last", "end mark without a line end"],
)
async def test_a_finish_reason_or_an_end_mark_makes_a_whole_stream(client, pieces):
    async with Scripted(once(*pieces)) as server:
        assert (await read_stream(client, server.url))[0].raw == HELLO


# --- Ends that are none ---
CUT = {
    "until close": once(SSE_HEAD_UNTIL_CLOSE, ROLE, HELLO),
    "chunks": once(SSE_HEAD, chunk(ROLE), chunk(HELLO), END),
    "inside a chunk": once(SSE_HEAD, chunk(HELLO), b"ff\r\ndata: {"),
}


@pytest.mark.parametrize("script", CUT.values(), ids=CUT)
async def test_a_stream_that_ends_too_early_is_broken_off(client, script):
    error = await failure(client, script)

    assert isinstance(error, BrokenOff)
    assert (error.code, error.sent, error.retryable) == ("error_in_stream", True, True)


async def test_a_reset_after_the_first_token_is_broken_off(client):
    async def script(peer):
        await peer.request()
        await peer.write(SSE_HEAD, chunk(HELLO))
        await peer.server.seen.wait()
        peer.reset()

    async with Scripted(script) as server:
        server.seen = asyncio.Event()
        with pytest.raises(BrokenOff):
            await read_stream(client, server.url, on_frame=server.seen.set)


EMPTY = {
    "nothing": once(SSE_HEAD, END),
    "role and stop, as release 1 hides failures": once(SSE_HEAD, chunk(ROLE), chunk(STOP), chunk(DONE), END),
    "end mark alone": once(SSE_HEAD, chunk(DONE), END),
    "comments": once(SSE_HEAD, chunk(b": ping\n\n"), END),
    "until close": once(SSE_HEAD_UNTIL_CLOSE),
}


@pytest.mark.parametrize("script", EMPTY.values(), ids=EMPTY)
async def test_a_stream_without_content_is_no_success(client, script):
    error = await failure(client, script)

    assert error.code == "empty_stream"
    assert isinstance(error, Malformed)


async def test_an_error_event_comes_as_a_frame_and_ends_the_stream(client):
    error = b'data: {"error":{"code":500,"message":"backend not found: llama-cpp"}}\n\n'
    async with Scripted(always(whole(error, DONE))) as server:
        frames = await read_stream(client, server.url)

    assert [frame.raw for frame in frames] == [error, DONE]
    assert error_in_frame(frames[0]).code == "backend_not_installed"


async def test_a_key_repeated_in_an_error_event_does_not_come_back(client):
    error = b'data: {"error":{"message":"key %s is not known"}}\n\n' % KEY.encode()
    async with Scripted(once(SSE_HEAD, chunk(error[:40]), chunk(error[40:]), chunk(DONE), END)) as server:
        [frame, _] = await read_stream(client, server.url)

    assert KEY.encode() not in frame.raw + frame.data
    assert "***" in error_in_frame(frame).message


# --- Something else than a stream ---
async def test_a_refusal_is_read_as_what_it_means(client):
    async with Scripted(always(answer(b'{"message":"Invalid API key"}', status=401))) as server:
        call = client.stream(target_to(server.url), STREAM_PATH, content=b"{}")
        async with call as upstream:
            error = await upstream.error()

    assert (error.code, error.evidence["status"]) == ("auth_failed", 401)


async def test_a_whole_answer_in_place_of_a_stream_becomes_one(client):
    choice = b'{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}'
    body = b'{"id":"c1","object":"chat.completion","choices":[%s]}' % choice
    async with Scripted(always(answer(body))) as server:
        [frame, done] = await read_stream(client, server.url)

    assert frame.parsed["choices"][0]["delta"] == {"content": "Hi"}
    assert done.is_done


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (once(answer(b"<html>Sign in</html>", content_type="text/html")), "web_page_not_api"),
        (once(answer(b'{"error":{"message":"no backends found"}}')), "backend_not_installed"),
        (once(answer(b'{"error":{"message":"out of luck"}}')), "error_in_stream"),
        (once(answer(b'{"hello":"there"}')), "bad_response"),
        (once(answer(b"{")), "bad_response"),
        (once(SSE_HEAD, chunk(b"<html>Sign in</html>"), END), "empty_stream"),
    ],
    ids=["page", "known error", "unknown error", "other JSON", "broken JSON", "page as a stream"],
)
async def test_what_is_no_stream_is_told_apart(client, script, code):
    assert (await failure(client, script)).code == code


# --- Limits ---
async def test_an_endless_line_is_cut_off(client):
    async def script(peer):
        await peer.request()
        await peer.write(SSE_HEAD, chunk(HELLO), chunk(b"data: "))
        while True:
            await peer.write(chunk(b"x" * 60_000))

    async with Scripted(script) as server:
        with pytest.raises(Malformed):
            await read_stream(client, server.url)
        async with asyncio.timeout(30):
            await server.left.wait()


async def test_a_stream_has_a_largest_size(client, monkeypatch):
    monkeypatch.setattr(stream_module, "MAX_STREAM_BYTES", 100_000)

    async def script(peer):
        await peer.request()
        await peer.write(SSE_HEAD)
        while True:
            await peer.write(chunk(HELLO * 100))

    async with Scripted(script) as server:
        with pytest.raises(Malformed):
            await read_stream(client, server.url)
