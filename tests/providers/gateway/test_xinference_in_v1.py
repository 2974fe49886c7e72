"""Xinference through /v1: what it says otherwise than LocalAI reads alike."""

import pytest

from providers.models import Provider
from tests.fakes.sound import silent_wav
from tests.fakes.xinference import FakeXinference
from tests.providers.gateway.conftest import error
from tests.providers.rows import add_model, add_provider

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

LAUNCHED = {
    "qwen": ("llm", "LLM", ("chat",)),
    "bge": ("rerank", "rerank", ()),
    "whisper": ("speech2text", "audio", ("audio2text",)),
    "kokoro": ("tts", "audio", ("text2audio",)),
    "flux": ("image", "image", ("text2image",)),
}


@pytest.fixture
def cluster(gateway):
    with FakeXinference() as fake:
        provider = add_provider(gateway.team, fake.url, name="cluster", kind="xinference", max_concurrency=None)
        for uid, (model_type, sort, abilities) in LAUNCHED.items():
            fake.launch(uid, sort, abilities=abilities)
            add_model(provider, uid, type=model_type)
        yield fake


def test_it_chats_and_streams(gateway, cluster):
    body = {"model": "qwen", "messages": [{"role": "user", "content": "Hi"}]}

    assert gateway.post("chat/completions", body).json()["choices"][0]["message"]["content"] == "Hello."
    assert gateway.post("chat/completions", {**body, "stream": True}).content.endswith(b"data: [DONE]\n\n")


def test_ranks_get_the_model_and_the_count_that_it_leaves_out(gateway, cluster):
    body = gateway.post("rerank", {"model": "bge", "query": "a", "documents": ["b", "c"], "top_n": 1}).json()

    assert body["results"] == [{"index": 0, "relevance_score": 0.9, "document": None}]
    assert body["model"] == "bge"
    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > 0
    assert gateway.used().is_estimated


def test_images_come_inside_the_answer_and_not_as_a_path_on_its_disk(gateway, cluster):
    body = gateway.post("images/generations", {"model": "flux", "prompt": "A lighthouse", "n": 2}).json()

    assert [image["b64_json"] for image in body["data"]] == ["iVBORw0KGgo="] * 2


def test_it_hears_speaks_and_translates(gateway, cluster):
    with gateway.client() as client:

        def hear(path, **fields):
            files = {"file": ("a.wav", silent_wav(seconds=0.1))}
            return client.post(f"/v1/audio/{path}", data={"model": "whisper", **fields}, files=files)

        assert hear("transcriptions").json() == {"text": "Hello."}
        assert hear("transcriptions", response_format="text").text == "Hello.\n"
        assert b"transcript.text.done" in hear("transcriptions", stream="true").content
        assert hear("translations").json() == {"text": "In English: Hello."}
        assert error(hear("transcriptions", response_format="srt")) == (502, "provider_error")
    spoken = gateway.post("audio/speech", {"model": "kokoro", "input": "Good morning"})

    assert spoken.content == silent_wav(seconds=0.1)
    assert spoken.headers["content-type"] == "application/octet-stream"


def test_it_does_not_moderate(gateway, cluster):
    add_model(Provider.objects.for_tenant(gateway.team.id).get(name="cluster"), "judge", type="moderation")

    response = gateway.post("moderations", {"model": "judge", "input": "Good morning"})

    assert error(response) == (400, "operation_not_available")


def test_its_words_for_a_failure_are_told(gateway, cluster):
    cluster.dial.fail = "the model fell over"

    response = gateway.post("rerank", {"model": "bge", "query": "a", "documents": ["b"]})

    assert error(response) == (502, "provider_error")
    assert "the model fell over" in response.json()["error"]["message"]
