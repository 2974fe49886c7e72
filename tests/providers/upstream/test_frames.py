"""What a chunk of a stream means."""

import json

import pytest

from providers.upstream.wire import Frame, error_in_frame, finishes, is_meaningful
from tests.fakes.localai_failures import FAILURES


def delta(**said):
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": said, "finish_reason": None}]}


def finish(reason="stop", **usage):
    return {"choices": [{"index": 0, "delta": {"content": None}, "finish_reason": reason}], "usage": usage or None}


@pytest.mark.parametrize(
    "chunk",
    [
        delta(content="Hi"),
        delta(content=" "),
        delta(content=None, reasoning="hm"),
        delta(reasoning_content="hm"),
        delta(tool_calls=[{"index": 0}]),
        delta(function_call={"name": "f"}),
        delta(refusal="no"),
        {"object": "text_completion", "choices": [{"index": 0, "text": "Hi"}]},
        finish(completion_tokens=1),
        finish("content_filter"),
        {"choices": [], "usage": {"completion_tokens": 3}},
        {"choices": [{"index": 0, "delta": {}}, {"index": 1, "delta": {"content": "x"}}]},
    ],
)
def test_a_chunk_that_says_something_ends_the_wait(chunk):
    assert is_meaningful(chunk)


@pytest.mark.parametrize(
    "chunk",
    [
        delta(role="assistant", content=None),
        delta(role="assistant", content=""),
        delta(content=None),
        delta(tool_calls=[]),
        {"choices": [{"index": 0, "text": ""}]},
        finish(),
        finish(completion_tokens=0),
        {"choices": [{"index": 0, "delta": {"role": "assistant"}}], "usage": {"completion_tokens": 4}},
        {"choices": []},
        {"type": "mcp_tool_result", "name": "search", "result": "x"},
        {"choices": "odd"},
        {"choices": [None, 3]},
        {},
    ],
)
def test_a_chunk_that_says_nothing_does_not(chunk):
    assert not is_meaningful(chunk)


def test_the_end_of_a_choice_is_seen():
    assert finishes(finish())
    assert not finishes(delta(content="x"))


def error_of(content, event=None):
    data = json.dumps(content).encode() if not isinstance(content, bytes) else content
    named = b"event: %s\n" % event.encode() if event else b""
    return error_in_frame(Frame(named + b"data: " + data + b"\n\n"))


@pytest.mark.parametrize("style", ["as_version", "int", "absent"])
def test_localais_error_event_is_told_apart_as_its_error_answer_is(style):
    assert error_of(FAILURES["backend_not_found"].event(style)).code == "backend_not_installed"
    assert error_of(FAILURES["backend_eof"].event(style)).code == "backend_crashed"
    assert error_of(FAILURES["cooldown"].event(style)).code == "overloaded"
    assert error_of(FAILURES["context_overflow"].event(style)).evidence["context_size"] == 8192


@pytest.mark.parametrize(
    ("content", "event"),
    [
        ({"error": {"message": "it broke"}}, None),
        ({"error": {"message": "it broke", "code": 500, "type": ""}}, None),
        ({"error": "it broke"}, None),
        ({"type": "error", "error": {"type": "api_error", "message": "it broke"}}, None),
        ({"type": "error", "message": "it broke"}, None),
        ({"object": "error", "message": "it broke", "code": 500}, None),
        ({"detail": "it broke"}, None),
        ({"message": "it broke, an error"}, "error"),
        (
            {"object": "text_completion", "choices": [{"text": "Internal error: it broke", "finish_reason": "stop"}]},
            None,
        ),
    ],
)
def test_every_shape_of_an_error_inside_a_stream_is_seen(content, event):
    error = error_of(content, event)

    assert error.code == "error_in_stream"
    assert "it broke" in error.message
    assert error.data_plane_code == "provider_error"


def test_the_disguised_error_of_a_streamed_completion_keeps_its_meaning():
    text = f"Internal error: {FAILURES['backend_not_found'].message}"

    assert error_of({"object": "text_completion", "choices": [{"text": text, "finish_reason": "stop"}]}).code == (
        "backend_not_installed"
    )


@pytest.mark.parametrize(
    "content",
    [
        delta(content="an error: {"),
        delta(content='he said "error"'),
        {"error": None, **delta(content="x")},
        {"object": "text_completion", "choices": [{"text": "Internal error: as the log says,", "finish_reason": None}]},
        {"type": "mcp_tool_result", "name": "error"},
        {"choices": [], "usage": {"completion_tokens": 3}},
        b"[DONE]",
        b"ping",
    ],
)
def test_ordinary_chunks_are_no_errors(content):
    assert error_of(content) is None


@pytest.mark.parametrize("content", [b'{"error":', b'{"choices":[{"error"', b"[1,"])
def test_broken_json_is_a_bad_response(content):
    assert error_of(content).code == "bad_response"
