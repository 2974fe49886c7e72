"""Typed events of a transcript or of speech, as the caller sees them."""

import orjson
import pytest

from providers.gateway.events import EventRelay
from providers.upstream.wire import SseParser


def event(**content):
    return b"data: " + orjson.dumps(content) + b"\n\n"


HELLO = event(type="transcript.text.delta", delta="Hello")
ERROR = event(type="error", error={"message": "rpc error: code = Unavailable desc = EOF", "type": "server_error"})
END = event(type="transcript.text.done", text="Hello", usage={"type": "tokens", "input_tokens": 14, "output_tokens": 3})
DONE = b"data: [DONE]\n\n"


def relayed(*events, size=None):
    """What comes out for each batch, and the relay."""
    raw = b"".join(events)
    parser, relay = SseParser(), EventRelay()
    cuts = [raw[at : at + size] for at in range(0, len(raw), size)] if size else [raw]
    return [relay.feed(parser.feed(cut)) for cut in cuts], relay


@pytest.mark.parametrize("size", [None, 1, 7, 64])
def test_every_event_passes_byte_for_byte_however_it_was_cut(size):
    out, relay = relayed(
        HELLO, b": a comment\n\n", event(type="transcript.text.segment", text="Hello"), END, DONE, size=size
    )

    assert b"".join(out) == HELLO + event(type="transcript.text.segment", text="Hello") + END + DONE
    assert (relay.failure, relay.pieces) == (None, 3)
    assert (relay.counted.prompt_tokens, relay.counted.completion_tokens) == (14, 3)


def test_nothing_is_shown_before_something_is_said():
    begun = event(type="transcript.created", id="t1")

    out, _ = relayed(begun)
    later, _ = relayed(begun, HELLO)

    assert out == [b""]
    assert later == [begun + HELLO]


def test_silence_is_an_answer():
    silence = event(type="transcript.text.done", text="")

    assert relayed(silence)[0] == [silence]


def test_an_error_first_shows_nothing_else():
    out, relay = relayed(event(type="transcript.created"), ERROR, DONE)

    assert out == [b""]
    assert relay.failure.code == "backend_crashed"


def test_an_error_later_comes_after_the_events_before_it():
    out, relay = relayed(HELLO, ERROR, DONE)

    assert out == [HELLO]
    assert relay.failure is not None


def test_a_text_that_speaks_of_errors_is_none():
    spoken = event(type="transcript.text.delta", delta='the error: {"error": 1}')

    assert relayed(spoken)[0] == [spoken]
