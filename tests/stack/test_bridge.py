"""The bridge to Django: bodies are read on the loop within limits, and Django sees an honest environment."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from config.bridge import Bridge
from tests.stack.serving import serving

THREADS = 2
SECONDS = 30.0  # for what comes at once, unless the machine stands still


class Chunks:
    """A streaming answer of Django: an iterable that says so, and that is closed at the end."""

    streaming = True

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks

    def close(self) -> None:
        self.closed.set()


def what_django_sees(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    seen = {name: value for name, value in environ.items() if isinstance(value, str)}
    seen["body"] = environ["wsgi.input"].read().decode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


@contextmanager
def bridged(app: Any = what_django_sees, **limits: Any) -> Iterator[tuple[str, int]]:
    bridge = Bridge(app, **{"threads": THREADS, "body_max_bytes": 1000, "body_seconds": 600.0, **limits})
    with serving(bridge) as address:
        yield address
    bridge.close()


def url(address: tuple[str, int]) -> str:
    return f"http://{address[0]}:{address[1]}"


def half_sent(address: tuple[str, int]) -> socket.socket:
    client = socket.create_connection(address, timeout=SECONDS)
    client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf of it")
    return client


def test_clients_that_send_slowly_hold_no_thread():
    with bridged() as address, ExitStack() as clients:
        for _ in range(THREADS * 4):
            clients.enter_context(half_sent(address))
        assert httpx.get(url(address), timeout=SECONDS).status_code == 200


def test_a_body_that_does_not_arrive_in_time_is_408():
    with bridged(body_seconds=0.2) as address, half_sent(address) as client:
        answer = piece = client.recv(4096)
        while piece and b"}" not in answer:  # the head and the body may come one after the other
            piece = client.recv(4096)
            answer += piece
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"request_timeout"' in answer


@pytest.mark.parametrize("body", [b"x" * 1001, (chunk for chunk in [b"x" * 600, b"x" * 600])], ids=["told", "chunked"])
def test_a_body_above_the_limit_is_413(body):
    with bridged() as address:
        answer = httpx.post(url(address), content=body, timeout=SECONDS)
    assert answer.status_code == 413
    assert answer.json()["code"] == "request_too_large"
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_chunked_body_reaches_django_whole():
    with bridged() as address:
        seen = httpx.post(url(address), content=(chunk for chunk in [b"one ", b"two"]), timeout=SECONDS).json()
    assert (seen["body"], seen["CONTENT_LENGTH"]) == ("one two", "7")


def test_a_header_name_with_an_underscore_does_not_pass_for_the_real_one():
    with bridged() as address:
        seen = httpx.get(url(address), headers={"X_Forwarded_Proto": "https", "X-Real": "yes"}, timeout=SECONDS).json()
    assert "HTTP_X_FORWARDED_PROTO" not in seen
    assert seen["HTTP_X_REAL"] == "yes"


def test_cookies_of_several_headers_are_one_line_of_cookies():
    with bridged() as address:
        seen = httpx.get(url(address), headers=[("Cookie", "a=1"), ("Cookie", "b=2")], timeout=SECONDS).json()
    assert seen["HTTP_COOKIE"] == "a=1; b=2"


def test_a_streaming_answer_arrives_chunk_by_chunk():
    may_go_on = threading.Event()

    def two_chunks() -> Iterator[bytes]:
        yield b"first"
        assert may_go_on.wait(SECONDS)
        yield b"second"

    def app(_environ: Any, start_response: Callable[..., Any]) -> Chunks:
        start_response("200 OK", [])
        return Chunks(two_chunks())

    with bridged(app) as address, httpx.stream("GET", url(address), timeout=SECONDS) as answer:
        arriving = answer.iter_bytes()
        assert next(arriving) == b"first"
        may_go_on.set()
        assert next(arriving) == b"second"


def test_a_streaming_answer_ends_when_its_client_has_left():
    answers: list[Chunks] = []

    def endless() -> Iterator[bytes]:
        while True:
            yield b"more " * 1000

    def app(_environ: Any, start_response: Callable[..., Any]) -> Chunks:
        start_response("200 OK", [])
        answers.append(Chunks(endless()))
        return answers[-1]

    with bridged(app) as address:
        with httpx.stream("GET", url(address), timeout=SECONDS) as answer:
            next(answer.iter_bytes())
        assert answers[0].closed.wait(SECONDS)
