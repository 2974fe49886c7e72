"""The fake speaks as LocalAI does: these are the facts of its source that our code leans on, one test each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fakes.localai import FakeLocalAI
from tests.fakes.sound import silent_wav

SECONDS = 60  # for an answer on a busy machine
CHAT = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "ping"}]}


@pytest.fixture
def fake() -> Iterator[FakeLocalAI]:
    with FakeLocalAI() as server:
        yield server


def get(fake: FakeLocalAI, path: str, **headers: str) -> httpx.Response:
    return httpx.get(fake.url + path, headers=headers, timeout=SECONDS)


def post(fake: FakeLocalAI, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    return httpx.post(fake.url + path, json=body, headers=headers, timeout=SECONDS)


def events(answer: httpx.Response) -> list[Any]:
    found = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line.startswith("data: ")]
    return ["[DONE]" if text == "[DONE]" else json.loads(text) for text in found]


def test_a_failed_load_is_a_500_unstreamed_and_an_event_in_a_200_stream(fake: FakeLocalAI) -> None:
    fake.dial.fail = "backend_not_found"

    unary = post(fake, "/v1/chat/completions", CHAT)
    streamed = post(fake, "/v1/chat/completions", {**CHAT, "stream": True})

    assert (unary.status_code, unary.json()["error"]["code"]) == (500, 500)
    assert streamed.status_code == 200
    assert events(streamed)[0]["error"]["code"] == "server_error"
    assert events(streamed)[-1] == "[DONE]"


def test_release_1_hides_the_failure_in_an_empty_stream(fake: FakeLocalAI) -> None:
    fake.dial.version, fake.dial.fail = "v1.24.1", "backend_not_found"

    chunks = events(post(fake, "/v1/chat/completions", {**CHAT, "stream": True}))

    assert [chunk["choices"][0].get("finish_reason") for chunk in chunks[:-1]] == [None, "stop"]
    assert not any(chunk["choices"][0]["delta"].get("content") for chunk in chunks[:-1])


def test_a_streamed_completion_tells_its_failure_as_text_and_forgets_the_end(fake: FakeLocalAI) -> None:
    fake.dial.fail = "backend_eof"

    chunks = events(post(fake, "/v1/completions", {"model": "gpt-3.5-turbo", "prompt": "ping", "stream": True}))

    assert chunks[-1]["choices"][0]["text"].startswith("Internal error: rpc error")
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_missing_and_a_wrong_key_get_the_same_401(fake: FakeLocalAI) -> None:
    fake.dial.api_keys = {"right"}

    answers = [get(fake, "/v1/models", **headers) for headers in ({}, {"Authorization": "Bearer no"})]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["error"]["message"] == "An authentication key is required"


def test_release_1_wraps_its_401_in_nothing(fake: FakeLocalAI) -> None:
    fake.dial.version, fake.dial.api_keys = "v1.24.1", {"right"}

    assert get(fake, "/v1/models").json() == {"message": "Invalid API key"}


def test_the_mark_needs_no_key_and_the_version_does(fake: FakeLocalAI) -> None:
    fake.dial.api_keys = {"right"}

    assert get(fake, "/.well-known/localai.json").json()["version"] == "v4.9.0"
    assert get(fake, "/version").status_code == 401


def test_an_unknown_model_is_a_404_today_and_a_failed_load_before(fake: FakeLocalAI) -> None:
    today = post(fake, "/v1/chat/completions", {**CHAT, "model": "nope"})
    fake.dial.version = "v2.29.0"
    before = post(fake, "/v1/chat/completions", {**CHAT, "model": "nope"})

    assert (today.status_code, before.status_code) == (404, 500)


def test_rerank_has_no_route_without_v1(fake: FakeLocalAI) -> None:
    fake.add("reranker", "rerank")
    body = {"model": "reranker", "query": "a", "documents": ["a", "b"]}

    assert post(fake, "/rerank", body).status_code == 404
    assert post(fake, "/v1/rerank", body).status_code == 200
    assert post(fake, "/embeddings", {"model": "text-embedding-ada-002", "input": "a"}).status_code == 200


def test_embeddings_carry_usage_only_before_4_2_5(fake: FakeLocalAI) -> None:
    body = {"model": "text-embedding-ada-002", "input": "a"}
    today = post(fake, "/v1/embeddings", body).json()
    fake.dial.version = "v4.2.4"

    assert "usage" not in today
    assert post(fake, "/v1/embeddings", body).json()["usage"]["total_tokens"] == 0


def test_usage_comes_in_a_last_chunk_without_choices_when_asked_for(fake: FakeLocalAI) -> None:
    chunks = events(
        post(fake, "/v1/chat/completions", {**CHAT, "stream": True, "stream_options": {"include_usage": True}})
    )

    assert chunks[-2]["choices"] == []
    assert chunks[-2]["usage"]["completion_tokens"] == len(fake.dial.tokens)


def test_a_browser_gets_a_page_where_an_api_client_gets_404(fake: FakeLocalAI) -> None:
    page = get(fake, "/v1/v1/models", Accept="text/html")
    answer = get(fake, "/v1/v1/models", Accept="application/json")

    assert (page.status_code, page.headers["content-type"][:9]) == (200, "text/html")
    assert answer.json()["error"]["message"] == "Resource not found"


def test_a_client_that_leaves_is_noted(fake: FakeLocalAI) -> None:
    fake.dial.stall_after_tokens = 1

    body = {**CHAT, "stream": True}
    with httpx.stream("POST", f"{fake.url}/v1/chat/completions", json=body, timeout=SECONDS) as answer:
        next(answer.iter_bytes())

    assert fake.wait_for(lambda: fake.ledger[0].aborted_at)
    assert fake.ledger[0].ended_at is None


def hear(fake: FakeLocalAI, path: str = "/v1/audio/transcriptions", **fields: str) -> httpx.Response:
    fake.add("whisper-1", "stt")
    files = {"file": ("a.wav", silent_wav(seconds=0.1))}
    return httpx.post(fake.url + path, data={"model": "whisper-1", **fields}, files=files, timeout=SECONDS)


def test_hearing_knows_its_own_formats_and_no_translation(fake: FakeLocalAI) -> None:
    assert hear(fake, response_format="txt").text.strip() == "Hello from the model."
    assert hear(fake, response_format="text").status_code == 500
    assert hear(fake, "/v1/audio/translations").status_code == 404
    assert hear(fake, translate="true").json()["text"].startswith("In English")


def test_a_transcript_that_fails_in_a_stream_says_so_in_a_200_and_ends_as_always(fake: FakeLocalAI) -> None:
    fake.dial.fail = "backend_eof"

    answer = hear(fake, stream="true")

    assert answer.status_code == 200
    error, end = answer.text.strip().split("\n\n")
    assert json.loads(error.removeprefix("data: "))["type"] == "error"
    assert end == "data: [DONE]"


def test_speech_has_an_older_address_that_never_had_the_prefix(fake: FakeLocalAI) -> None:
    fake.add("kokoro", "tts")
    body = {"model": "kokoro", "input": "Hello"}

    codes = [post(fake, path, body).status_code for path in ("/v1/audio/speech", "/audio/speech", "/tts", "/v1/tts")]
    fake.dial.version = "v1.24.1"
    before = [post(fake, path, body).status_code for path in ("/v1/audio/speech", "/tts")]

    assert (codes, before) == ([200, 200, 200, 404], [404, 200])


def test_images_come_by_address_unless_asked_otherwise(fake: FakeLocalAI) -> None:
    fake.add("sd", "image")
    body = {"model": "sd", "prompt": "A lighthouse", "n": 2}

    by_address = post(fake, "/v1/images/generations", body).json()["data"]
    inside = post(fake, "/v1/images/generations", {**body, "response_format": "b64_json"}).json()["data"]

    assert [list(image) for image in by_address + inside] == [["url"]] * 2 + [["b64_json"]] * 2


def test_moderation_takes_texts_and_hides_what_went_wrong(fake: FakeLocalAI) -> None:
    def judge(given: object) -> httpx.Response:
        return post(fake, "/v1/moderations", {"model": "gpt-3.5-turbo", "input": given})

    assert len(judge("kill it").json()["results"][0]["categories"]) == 13
    assert [judge(given).status_code for given in ([" "], [{"type": "text", "text": "a"}])] == [400, 400]
    fake.dial.fail = "cuda_out_of_memory"
    assert judge("a").json()["error"]["message"] == "code=500, message=moderation inference failed"
