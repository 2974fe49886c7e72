"""POST /v1/embeddings and /v1/completions."""

import base64
import math

import pytest

from tests.providers.gateway.conftest import error, events

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


def embed(gateway, **fields):
    return gateway.post("embeddings", {"model": "ada", "input": ["password", "login"], **fields})


def test_each_text_gets_its_vector(gateway):
    body = embed(gateway).json()

    assert [entry["index"] for entry in body["data"]] == [0, 1]
    assert all(len(entry["embedding"]) == 384 for entry in body["data"])
    assert body["model"] == "ada"


def test_a_missing_count_is_estimated_and_marked(gateway):
    body = embed(gateway).json()

    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > 0
    assert gateway.used().is_estimated


def test_base64_passes_through(gateway):
    body = embed(gateway, encoding_format="base64").json()

    assert gateway.sent("/v1/embeddings")["encoding_format"] == "base64"
    assert len(base64.b64decode(body["data"][0]["embedding"])) == 384 * 4


def test_the_floats_are_not_touched(gateway):
    vector = embed(gateway).json()["data"][0]["embedding"]

    assert math.isclose(sum(value * value for value in vector), 1.0, rel_tol=1e-3)


def test_tokens_pass_as_they_are(gateway):
    embed(gateway, input=[[1, 2, 3]])

    assert gateway.sent("/v1/embeddings")["input"] == [[1, 2, 3]]


@pytest.mark.parametrize("given", [None, "", [], 7, {}])
def test_nothing_to_embed_is_400(gateway, given):
    assert error(embed(gateway, input=given)) == (400, "invalid_request")


def test_an_answer_without_vectors_is_no_answer(gateway):
    gateway.fake.dial.omit_data = True

    assert error(embed(gateway)) == (502, "provider_bad_response")


def test_a_chat_model_does_not_embed(gateway):
    assert error(embed(gateway, model="gpt-4")) == (400, "model_type_mismatch")


def test_a_completion_comes_whole(gateway):
    body = gateway.post("completions", {"model": "gpt-4", "prompt": "Once"}).json()

    assert body["object"] == "text_completion"
    assert body["choices"][0]["text"] == "Hello from the model."
    assert body["usage"]["completion_tokens"] > 0


def test_a_completion_streams(gateway):
    response = gateway.post("completions", {"model": "gpt-4", "prompt": "Once", "stream": True})

    assert b'"text": "Hel"' in response.content or b'"text":"Hel"' in response.content
    assert events(response)[-1] == b"[DONE]"
