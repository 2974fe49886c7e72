"""Dify with us as its OpenAI-compatible endpoint: saving the form, and what its apps call then."""

import pytest

from tests.clients.dify import Dify
from tests.fakes.sound import silent_wav

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def dify(gateway):
    return Dify(f"{gateway.url}/v1/", gateway.team.key)


def test_its_form_is_saved(dify):
    dify.validate_llm("gpt-4")
    dify.validate_llm("gpt-4", mode="completion")


def test_a_server_that_is_down_is_seen_when_the_form_is_saved(gateway, dify):
    gateway.fake.dial.fail = "backend_not_found"

    with pytest.raises(AssertionError, match="Credentials validation failed with status code 502"):
        dify.validate_llm("gpt-4")


def test_its_apps_stream_with_a_count_also_where_the_server_counts_nothing(gateway, dify):
    gateway.fake.dial.omit_usage, gateway.fake.dial.comments = True, True

    text, usage = dify.stream("gpt-4", [{"role": "user", "content": "Hello there"}], temperature=0.2, max_tokens=64)

    assert text == "Hello from the model."
    assert usage["completion_tokens"] > 0


def test_its_knowledge_is_embedded(dify):
    assert [len(vector) for vector in dify.embed("ada", ["a password", "a login"])] == [384, 384]


@pytest.mark.usefixtures("with_every_type")
def test_its_knowledge_is_reranked_and_its_apps_hear_and_speak(dify):
    ranked = dify.rerank("ranker", "hello", ["hello world", "something else"])

    assert sorted(index for index, _ in ranked) == [0, 1]
    assert dify.transcribe("listener", silent_wav(seconds=0.1))
    assert len(dify.speak("speaker", "Hello")) > 0
