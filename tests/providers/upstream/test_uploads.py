"""A request whose body is read as it goes out: whole at the server, never whole in memory."""

import asyncio
import os

import pytest

from providers.errors import ProviderError
from tests.providers.upstream.conftest import connect, failed_call, target_to
from tests.providers.upstream.scripted import Scripted, after_an_answer, always, answer
from tests.waiting import wait_until

PIECE = 64 * 1024
MEGABYTE = 2**20


class Upload:
    """So many bytes, and how many of them were asked for so far."""

    def __init__(self, size):
        self.content = os.urandom(size)
        self.read_bytes = 0

    def __len__(self):
        return len(self.content)

    async def pieces(self):
        for start in range(0, len(self.content), PIECE):
            piece = self.content[start : start + PIECE]
            self.read_bytes += len(piece)
            yield piece


def post(client, url, upload, **seconds):
    return client.fetch(target_to(url, **seconds), "POST", "/upload", content=upload)


async def test_all_of_it_arrives_and_the_connection_serves_the_next(client):
    async with Scripted(always(answer(b'{"ok":1}'))) as server:
        for upload in (Upload(3 * MEGABYTE + 7), Upload(0), Upload(5)):
            assert (await post(client, server.url, upload)).body == b'{"ok":1}'
            assert server.requests[-1].body == upload.content

    assert server.connections == 1


async def test_the_same_body_can_be_sent_again(client):
    upload = Upload(100_000)
    async with Scripted(always(answer())) as server:
        for _ in range(2):
            await post(client, server.url, upload)

    assert [request.body for request in server.requests] == [upload.content] * 2


async def test_a_server_that_does_not_read_holds_up_the_reading(client):
    reads = asyncio.Event()

    async def script(peer):
        await reads.wait()
        await peer.request()
        await peer.write(answer())

    upload = Upload(40 * MEGABYTE)
    async with Scripted(script) as server:
        call = asyncio.create_task(post(client, server.url, upload))
        await wait_until(lambda: upload.read_bytes > 0)
        for _ in range(1000):  # rounds of the loop, in which all of it could be read
            await asyncio.sleep(0)
        read_bytes = upload.read_bytes
        reads.set()
        await call

    assert read_bytes < 20 * MEGABYTE  # what the sockets of both sides hold, and no more
    assert server.requests[0].body == upload.content


async def test_a_server_that_never_reads_runs_into_the_total_deadline(client):
    async def script(peer):
        peer.writer.transport.pause_reading()
        await peer.left.wait()

    async with Scripted(after_an_answer(script)) as server:
        await connect(client, server)
        upload = Upload(40 * MEGABYTE)
        with pytest.raises(ProviderError) as late:
            await post(client, server.url, upload, total_seconds=0.3)
        server.left.set()

    assert late.value.code == "timeout"


async def test_a_refusal_before_the_end_is_heard_and_ends_the_connection(client):
    async def script(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.write(answer(b'{"error":"too large"}', status=413))
        await peer.until_left()

    async with Scripted(script) as server:
        upload = Upload(40 * MEGABYTE)
        reply = await post(client, server.url, upload)
        assert upload.read_bytes < len(upload)
        await asyncio.wait_for(server.left.wait(), 30)

    assert (reply.status, reply.body) == (413, b'{"error":"too large"}')


async def test_a_server_that_hangs_up_in_the_middle_is_told_apart(client):
    async def script(peer):
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.reset()

    async with Scripted(script) as server:
        fault = await failed_call(client, server.url, content=Upload(40 * MEGABYTE))

    assert (fault.code, fault.sent) == ("bad_response", True)


async def test_a_stream_waits_for_its_first_token_from_the_last_byte_on(client):
    async def script(peer):
        await asyncio.sleep(3.2)
        await peer.request()
        body = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        await peer.write(answer(body, content_type="text/event-stream"))

    async with Scripted(script) as server:
        target = target_to(server.url, first_token_seconds=3.0)
        async with client.stream(target, "/upload", content=Upload(40 * MEGABYTE)) as upstream:
            frames = [frame async for frame in upstream.frames()]

    assert frames[-1].is_done
