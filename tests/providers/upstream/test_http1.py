"""One HTTP/1.1 connection: whatever way an answer is framed and cut, it is read the same."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.upstream.http1 import MAX_HEAD_BYTES, Broken, Connection, Headers


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.is_aborted = False
        self.is_paused = False

    def write(self, data):
        self.written += data

    def is_closing(self):
        return self.is_aborted

    def get_write_buffer_size(self):
        return 0

    def abort(self):
        self.is_aborted = True

    def pause_reading(self):
        self.is_paused = True

    def resume_reading(self):
        self.is_paused = False


def receive(connection, data):
    """As an event loop does it: into the buffer, as much as it holds at a time."""
    while data:
        buffer = connection.get_buffer(-1)
        count = min(len(buffer), len(data))
        buffer[:count] = data[:count]
        connection.buffer_updated(count)
        data = data[count:]


async def exchange(*pieces, end=None):
    """What a connection makes of these pieces: (status, body, may be used again), or the reason why it broke."""
    loop = asyncio.get_running_loop()
    connection, wire = Connection(loop), Wire()
    connection.connection_made(wire)
    connection.send(b"GET / HTTP/1.1\r\n\r\n", None)
    for piece in pieces:
        if piece and not wire.is_aborted:
            receive(connection, piece)
    if end is not None or wire.is_aborted:
        connection.connection_lost(end if isinstance(end, Exception) else None)
    try:
        await connection.head(loop.time())
        body = b""
        while piece := await connection.read(loop.time()):
            body += piece
    except Broken as broken:
        return broken.reason
    except TimeoutError:
        return "waiting"
    return connection.status, body, connection.may_be_used_again


def run(*pieces, end=None):
    return asyncio.run(exchange(*pieces, end=end))


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"
WHOLE = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", (200, b"hello", True)),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (200, b"", True)),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n",
        (200, b"hello", True),
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"", True)),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", (304, b"", True)),
    "close": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", (200, b"hello", False)),
    "old": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", (200, b"hello", False)),
    "interim": (
        b"HTTP/1.1 103 Early\r\nX-A: 1\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi",
        (200, b"hi", True),
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_is_read_to_its_end(name):
    sent, expected = WHOLE[name]

    assert run(sent) == expected
    assert run(*(sent[at : at + 1] for at in range(len(sent)))) == expected


@given(name=st.sampled_from(sorted(WHOLE)), places=st.lists(st.integers(0, 200), max_size=6))
def test_any_cut_gives_the_same_answer(name, places):
    sent, expected = WHOLE[name]
    edges = [0, *sorted(place % (len(sent) + 1) for place in places), len(sent)]

    assert run(*(sent[a:b] for a, b in pairwise(edges))) == expected


@given(name=st.sampled_from(sorted(WHOLE)), cut=st.integers(0, 200))
def test_an_answer_that_is_cut_is_never_taken_for_whole(name, cut):
    sent, expected = WHOLE[name]
    left = sent[: cut % len(sent)]
    made = run(left, end="closed")

    assert made in ("closed", "cut_short", expected)
    if made == expected:  # the body was all there, only its trailer was not
        assert expected[1] in left


def test_a_body_without_a_length_ends_with_the_connection():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

    assert run(head, b"hel", b"lo", end="closed") == (200, b"hello", False)
    assert run(head, b"hel") == "waiting"
    assert run(head, b"hel", end=ConnectionResetError()) == "cut_short"


BROKEN = {
    "nothing, closed": ((b"",), "closed", "closed"),
    "nothing, reset": ((b"",), ConnectionResetError(), "reset"),
    "half a head": ((b"HTTP/1.1 200 OK\r\n",), "closed", "closed"),
    "half a body": ((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",), "closed", "cut_short"),
    "half a chunk": ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",), "closed", "cut_short"),
    "no last chunk": ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",), "closed", "cut_short"),
    "another protocol": ((b"SSH-2.0-OpenSSH_9.2\r\n",), None, "not_http"),
    "a page without a head": ((b"<html>",), None, "not_http"),
    "two framings": (
        (CHUNKED + b"Content-Length: 3\r\n\r\n",),
        None,
        "not_http",
    ),
    "two lengths": ((b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",), None, "not_http"),
    "a length below nothing": ((b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",), None, "not_http"),
    "a folded header": ((b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",), None, "not_http"),
    "an upgrade": ((b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",), None, "not_http"),
    "an endless line": ((b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 1000,) * 40, None, "head_too_large"),
    "too many lines": ((b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * MAX_HEAD_BYTES,), None, "head_too_large"),
    "a huge line": ((b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 100_000 + b"\r\n\r\n",), None, "head_too_large"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_answer_has_a_reason(name):
    pieces, end, reason = BROKEN[name]

    if name == "an endless line":
        pieces = (pieces[0], *(b"b" * 1000 for _ in range(40)))
    assert run(*pieces, end=end) == reason


@given(noise=st.binary(max_size=300))
def test_no_bytes_whatever_break_the_reader(noise):
    assert run(noise, end="closed")
    assert run(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + noise, end="closed")


async def test_a_flood_stops_until_it_is_read():
    loop = asyncio.get_running_loop()
    connection, wire = Connection(loop), Wire()
    connection.connection_made(wire)
    connection.send(b"GET / HTTP/1.1\r\n\r\n", None)
    receive(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 400_000)
    was_paused = wire.is_paused

    await connection.head(loop.time() + 1)
    body = await connection.read(loop.time() + 1)

    assert (was_paused, wire.is_paused, len(body)) == (True, False, 400_000)


async def test_nothing_is_written_on_a_connection_that_is_gone():
    connection = Connection(asyncio.get_running_loop())

    with pytest.raises(Broken, match="unsent"):
        connection.send(b"GET / HTTP/1.1\r\n\r\n", None)


def test_headers_are_found_in_any_case_and_joined_when_repeated():
    headers = Headers([(b"X-One", b" 1 "), (b"x-two", b"2"), (b"X-TWO", b"3"), (b"X-Odd", b"\xe9")])

    assert (headers["x-one"], headers["X-Two"], headers.get("X-Three"), headers["x-odd"]) == ("1", "2, 3", None, "é")
    assert (len(headers), list(headers)) == (3, ["x-one", "x-two", "x-odd"])
