"""Frames of a stream, read as what readers are shown and as the whole that the job keeps."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ProviderError
from providers.jobs.answers import Stream, with_usage
from providers.upstream.wire import Assembler, SseParser, read_answer


def chunk(delta: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": rest.pop("finish_reason", None)}
    choices = rest.pop("choices", [choice])
    return {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": choices, **rest}


STREAMS: dict[str, list[dict[str, Any]]] = {
    "plain": [
        chunk({"role": "assistant", "content": None}),
        *(chunk({"content": word}) for word in ("One", " two", "", " three")),
        chunk(finish_reason="stop"),
        chunk(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}),
    ],
    "reasoning between": [
        chunk({"reasoning": "Hm"}),
        chunk({"content": "One"}),
        chunk({"reasoning": "."}),
        chunk({"content": " two"}, finish_reason="length"),
    ],
    "tool call": [
        chunk({"content": "Let me see"}),
        chunk({"tool_calls": [{"index": 0, "id": "t", "function": {"name": "look", "arguments": "{"}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}, finish_reason="tool_calls"),
    ],
    "two choices": [
        chunk(choices=[{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]),
        chunk(choices=[{"index": 1, "delta": {"content": "B"}}]),
        chunk(choices=[{"index": 0, "delta": {"content": "A"}, "finish_reason": "stop"}]),
    ],
    "log probabilities": [
        chunk({"content": "a"}),
        chunk(choices=[{"index": 0, "delta": {"content": "b"}, "logprobs": {"content": [{"token": "b"}]}}]),
    ],
}


def fed(chunks: list[dict[str, Any]], model: str = "m") -> tuple[Stream, list[bytes]]:
    stream = Stream("chat.completions", model=model, prompt=[{"role": "user", "content": "hi"}])
    raw = b"".join(b"data: %b\n\n" % orjson.dumps(each) for each in chunks)
    return stream, list(stream.read(SseParser().feed(raw + b"data: [DONE]\n\n")))


@pytest.mark.parametrize("name", STREAMS)
def test_the_whole_is_what_the_assembler_makes_of_each_chunk(name: str):
    assembler = Assembler("chat.completions", model="m", prompt=[{"role": "user", "content": "hi"}])
    for each in STREAMS[name]:
        assembler.add(each)

    stream, shown = fed(STREAMS[name])

    assert stream.result() == assembler.result()
    assert stream.usage == assembler.usage
    assert shown == [orjson.dumps(each) for each in STREAMS[name]]


def test_nothing_is_shown_before_something_is_said():
    role = chunk({"role": "assistant", "content": ""})
    stream, shown = fed([role, role])

    assert (shown, stream.has_begun) == ([], False)


def test_the_model_has_the_name_that_the_caller_used_and_texts_are_left_alone():
    odd = chunk({"content": 'say "model":"m"'})

    _, shown = fed([odd], model="fast")

    assert orjson.loads(shown[0]) == {**odd, "model": "fast"}


def test_an_error_in_the_stream_is_raised():
    with pytest.raises(ProviderError):
        fed([chunk({"content": "a"}), {"error": {"message": "rpc error: code = Unavailable desc = EOF"}}])


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"<html></html>", "web_page_not_api"),
        (b"nonsense", "bad_response"),
        (b'{"object": "list"}', "bad_response"),
        (b'{"data": []}', "bad_response"),
        (b'{"error": {"message": "exceeds the available context size", "code": 500}}', "context_length_exceeded"),
    ],
)
def test_what_is_no_answer_is_told_apart(raw: bytes, code: str):
    with pytest.raises(ProviderError) as refused:
        read_answer("embeddings", raw, {})

    assert refused.value.code == code


def test_usage_is_estimated_where_it_is_missing():
    answer, usage = with_usage("embeddings", {"data": [{"embedding": [1.0]}]}, model="e", asked=["some words"])

    assert usage.estimated
    assert answer["usage"] == {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.total_tokens}
    assert answer["model"] == "e"


NASTY = [
    '"content":',
    '"',
    "\\",
    '","finish_reason":"stop',
    'x"}}],"error":{"message":"',
    "\n\ndata: {}",
    "Ä\u2028😀",
    "",
]


@given(
    texts=st.lists(st.one_of(st.text(max_size=8), st.sampled_from(NASTY)), max_size=12),
    is_ascii=st.booleans(),
    separators=st.sampled_from([(",", ":"), (", ", ": ")]),
    is_dated=st.booleans(),
)
def test_texts_of_any_kind_come_through_whole_and_as_they_were_spelled(texts, is_ascii, separators, is_dated):
    said = ["begun", *texts]
    chunks = [
        {**chunk({"content": text}), "model": "theirs", "created": place if is_dated else 7}
        for place, text in enumerate(said)
    ]
    spelled = [json.dumps(each, ensure_ascii=is_ascii, separators=separators).encode() for each in chunks]
    stream = Stream("chat.completions", model="mine", prompt="hi")

    shown = list(stream.read(SseParser().feed(b"".join(b"data: %b\n\n" % each for each in spelled))))

    assert shown == [each.replace(b"theirs", b"mine", 1) for each in spelled]
    assert stream.result()["choices"][0]["message"]["content"] == "".join(said)


def test_an_error_between_texts_is_seen_after_what_came_before_it():
    stream = Stream("chat.completions", model="m", prompt="hi")
    frames = [orjson.dumps(chunk({"content": text})) for text in "abc"] + [b'{"error":{"message":"boom","type":"x"}}']
    shown = []

    with pytest.raises(ProviderError):
        shown.extend(stream.read(SseParser().feed(b"".join(b"data: %b\n\n" % each for each in frames))))

    assert shown == frames[:3]
