"""An answer with status 200 is not yet an answer: its shape has to be the operation's."""

from __future__ import annotations

import base64
import io
import math
import struct
import wave
from typing import Any

import pytest

from providers.errors import Malformed
from providers.kinds import shapes
from providers.kinds.sound import one_second_wav


def vectors(*given: Any) -> dict[str, Any]:
    return {"object": "list", "data": [{"index": at, "embedding": vector} for at, vector in enumerate(given)]}


def test_two_vectors_of_one_length_tell_the_dimensions() -> None:
    assert shapes.embedding_dimensions(vectors([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]), b"", expected=2) == 3


def test_base64_is_read_as_little_endian_float32_though_floats_were_asked() -> None:
    encoded = base64.b64encode(struct.pack("<4f", 0.1, 0.2, 0.3, 0.4)).decode()

    assert shapes.embedding_dimensions(vectors(encoded, encoded), b"", expected=2) == 4


@pytest.mark.parametrize(
    "content",
    [
        {"object": "list"},  # LocalAI leaves the key out when it embedded nothing
        {"data": None},
        vectors([0.1, 0.2]),
        vectors([0.1, 0.2], [0.1, 0.2, 0.3]),
        vectors([0.1], [0.2]),
        vectors([], []),
        vectors([0.1, math.nan], [0.1, 0.2]),
        vectors([0.1, math.inf], [0.1, 0.2]),
        vectors([0.1, "0.2"], [0.1, 0.2]),
        vectors([True, False], [True, False]),
        vectors("not base64!", "not base64!"),
        vectors("AAAA", "AAAA"),
    ],
    ids=lambda content: str(content)[:60],
)
def test_what_is_no_pair_of_equal_finite_vectors_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as refused:
        shapes.embedding_dimensions(content, b"{}", expected=2)

    assert refused.value.code == "bad_response"


@pytest.mark.parametrize(
    "results",
    [
        None,
        [],
        [{"index": 2, "relevance_score": 0.9}],
        [{"index": -1, "relevance_score": 0.9}],
        [{"index": 0}],
        ["0"],
    ],
    ids=str,
)
def test_a_rank_for_a_document_that_was_not_sent_is_refused(results: Any) -> None:
    with pytest.raises(Malformed):
        shapes.check_rerank({"results": results}, b"{}", documents=2)


def test_a_rank_needs_no_document_text() -> None:
    shapes.check_rerank({"results": [{"index": 1, "relevance_score": 0.9, "document": None}]}, b"", documents=2)


def test_a_transcription_may_be_empty_but_not_missing() -> None:
    shapes.check_transcription({"text": ""}, b"")
    with pytest.raises(Malformed):
        shapes.check_transcription({"segments": []}, b"{}")


@pytest.mark.parametrize("head", [b"RIFF....WAVE", b"ID3\x04", b"OggS", b"fLaC", b"\xff\xfb\x90"])
def test_sound_is_known_by_its_first_bytes(head: bytes) -> None:
    assert shapes.is_sound(head + b"\x00" * 32)


@pytest.mark.parametrize("body", [b"", b'{"error": "no voice"}', b"<html>"])
def test_json_and_pages_are_no_sound(body: bytes) -> None:
    assert not shapes.is_sound(body)


def test_an_image_is_a_url_or_its_bytes() -> None:
    shapes.check_image({"data": [{"url": "http://gpu/b.png"}]}, b"")
    shapes.check_image({"data": [{"url": None, "b64_json": "iVBO"}]}, b"")
    with pytest.raises(Malformed):
        shapes.check_image({"data": [{}]}, b"{}")


def test_a_moderation_flags_or_does_not() -> None:
    shapes.check_moderation({"results": [{"flagged": False}]}, b"")
    with pytest.raises(Malformed):
        shapes.check_moderation({"results": [{"flagged": "no"}]}, b"{}")


@pytest.mark.parametrize(
    "message",
    [
        {"content": "pong"},
        {"content": None, "reasoning": "The user says ping."},
        {"content": "", "reasoning_content": "hm"},
        {"content": None, "tool_calls": [{"id": "1"}]},
    ],
    ids=str,
)
def test_a_chat_may_speak_by_text_by_reasoning_or_by_a_tool(message: dict[str, Any]) -> None:
    assert shapes.chat_says_something({"choices": [{"message": message}]})


def test_tokens_that_were_counted_count_though_no_text_is_left() -> None:
    spoken = {"choices": [{"message": {"content": ""}}], "usage": {"completion_tokens": 3}}

    assert shapes.chat_says_something(spoken)


@pytest.mark.parametrize("content", [{}, {"choices": []}, {"choices": [{"message": {"content": ""}}]}], ids=str)
def test_a_chat_without_any_of_them_says_nothing(content: dict[str, Any]) -> None:
    assert not shapes.chat_says_something(content)


def test_the_sound_that_is_sent_for_transcription_is_one_second_long() -> None:
    with wave.open(io.BytesIO(one_second_wav())) as sound:
        assert sound.getnframes() / sound.getframerate() == 1.0
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
