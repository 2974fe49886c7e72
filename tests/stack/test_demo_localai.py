"""The demo answers as LocalAI does, over real engines."""

from __future__ import annotations

import json
import math
import time

import httpx
import pytest

from tests.stack.demo import demo_localai

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]  # the first test starts it

CHAT = {
    "model": "gpt-3.5-turbo",
    "messages": [{"role": "user", "content": "In one sentence, what is the capital of France?"}],
}
TOO_LONG = {"model": "gpt-3.5-turbo", "messages": [{"role": "user", "content": "word " * 5000}]}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    with demo_localai(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture(scope="module")
def http(demo):
    with demo.http() as client:
        yield client


def events(answer: httpx.Response) -> list[str]:
    return [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]


def cosine(a: list[float], b: list[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def test_it_says_what_it_is(http):
    assert http.get("/version").json()["version"].startswith("modelyard-demo (llama.cpp")
    mark = httpx.get(f"{http.base_url}/.well-known/localai.json", timeout=30).json()
    assert mark["endpoints"]["models"] == "/v1/models"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_no_key(demo, path):
    answer = httpx.get(demo.url + path, timeout=30)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}], ids=["none", "wrong"])
@pytest.mark.parametrize("path", ["/v1/models", "/version", "/nowhere"])
def test_without_the_key_all_else_is_401(demo, path, headers):
    answer = httpx.get(demo.url + path, headers=headers, timeout=30)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"] == {
        "code": 401,
        "message": "An authentication key is required",
        "type": "invalid_request_error",
    }


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/models/"])
def test_it_lists_the_seed_s_two_models(http, path):
    assert http.get(path).json() == {
        "object": "list",
        "data": [
            {"id": "gpt-3.5-turbo", "object": "model"},
            {"id": "text-embedding-ada-002", "object": "model"},
        ],
    }


def test_it_tells_what_each_model_can(http):
    can = {model["id"]: model["capabilities"] for model in http.get("/v1/models/capabilities").json()["data"]}
    assert can == {"gpt-3.5-turbo": ["chat", "completion"], "text-embedding-ada-002": ["embeddings"]}


def test_an_unknown_path_is_localai_s_404(http):
    answer = http.get("/v1/nowhere")
    assert answer.status_code == 404
    assert answer.json() == {"error": {"code": 404, "message": "Resource not found", "type": ""}}


def test_an_unknown_model_is_localai_s_404(http):
    answer = http.post("/v1/chat/completions", json={**CHAT, "model": "gpt-9"})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"].startswith('model "gpt-9" not found.')


def test_it_answers(http):
    answer = http.post("/chat/completions", json={**CHAT, "temperature": 0, "max_tokens": 20}).json()
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] > 0
    assert "timings" not in answer


def test_it_streams(http):
    body = {**CHAT, "temperature": 0, "max_tokens": 20, "stream": True, "stream_options": {"include_usage": True}}
    with http.stream("POST", "/v1/chat/completions", json=body) as answer:
        *chunks, last = events(answer)
    parsed = [json.loads(chunk) for chunk in chunks]
    assert last == "[DONE]"
    assert "Paris" in "".join(choice["delta"]["content"] or "" for chunk in parsed for choice in chunk["choices"])
    assert parsed[-1]["usage"]["total_tokens"] > 0


def test_vectors_of_like_texts_are_alike(http):
    texts = ["How do I reset my password?", "I cannot log in to my account", "The weather is sunny today"]
    answer = http.post("/v1/embeddings", json={"model": "text-embedding-ada-002", "input": texts}).json()
    password, login, weather = (line["embedding"] for line in answer["data"])
    assert len(password) == 384
    assert cosine(password, login) > cosine(password, weather)
    assert "usage" not in answer


def test_an_overflowing_context_is_500_and_inside_a_stream_200(http):
    answer = http.post("/v1/chat/completions", json=TOO_LONG)
    assert answer.status_code == 500
    assert "exceeds the available context size" in answer.json()["error"]["message"]
    with http.stream("POST", "/v1/chat/completions", json={**TOO_LONG, "stream": True}) as streamed:
        first, last = events(streamed)
    assert streamed.status_code == 200
    assert "exceeds the available context size" in json.loads(first)["error"]["message"]
    assert last == "[DONE]"


def test_a_client_that_leaves_frees_the_engine(http):
    """Four endless answers would hold all four slots for a minute."""
    endless = {**CHAT, "stream": True, "ignore_eos": True}
    for _ in range(4):
        with http.stream("POST", "/v1/chat/completions", json=endless) as answer:
            next(answer.iter_lines())
    began = time.monotonic()
    http.post("/v1/chat/completions", json={**CHAT, "max_tokens": 1})
    assert time.monotonic() - began < 30
