"""The official Node SDK, told nothing but another base URL and key."""

import pytest

from tests.clients.programs import node_sdk
from tests.fakes.localai_failures import Failure, context_overflow
from tests.fakes.sound import silent_wav
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def calls(gateway):
    return node_sdk(gateway.url, gateway.team.key)


def test_it_chats_completes_and_embeds(calls):
    did = calls("chat", "stream", "completion", "embeddings", "embeddings_float", "models")

    hello = "Hello from the model."
    assert (did["chat"]["text"], did["chat"]["model"]) == (hello, "gpt-4")
    assert did["chat"]["tokens"] > 0
    assert (did["stream"]["text"], did["stream"]["finish"]) == (hello, "stop")
    assert did["stream"]["tokens"] > 0
    assert did["completion"]["text"] == hello
    assert did["embeddings"] == [[384, "number"], [384, "number"]]
    assert did["embeddings_float"] == [384, "number"]
    assert did["models"] == {"names": ["ada", "gpt-4"], "one": "gpt-4"}


@pytest.mark.usefixtures("with_every_type")
def test_it_paints_judges_speaks_and_hears(calls, tmp_path):
    sound = tmp_path / "sound.wav"
    sound.write_bytes(silent_wav(seconds=0.1))

    did = calls("image", "moderation", "speech", "transcription", "translation", SOUND=str(sound))

    assert did["image"]["bytes"] > 0
    assert did["moderation"] == {"flagged": False}
    assert did["speech"]["type"].startswith("audio/")
    assert did["speech"]["bytes"] > 0
    assert did["transcription"]["text"]
    assert did["translation"]["text"]


def test_it_collects_streamed_tool_calls(gateway, calls):
    gateway.fake.dial.tool_calls = (("now", '{"zone":"UTC"}'),)

    assert calls("tools") == {"tools": [["now", '{"zone":"UTC"}']]}


def test_leaving_its_loop_closes_the_connection_to_the_model_server(gateway, calls):
    gateway.fake.dial.token_delay_seconds, gateway.fake.dial.tokens = 0.05, ("word ",) * 400

    calls("left_stream")

    wait_for(lambda: gateway.fake.requests("/v1/chat/completions")[0].aborted_at)


def test_refusals_are_its_own_exceptions(gateway, calls):
    did = calls("unknown_model", "wrong_key")
    gateway.fake.dial.fail = context_overflow(20652, 8192)
    did |= calls("stream")

    assert {name: (seen["error"], seen["status"], seen["code"]) for name, seen in did.items()} == {
        "unknown_model": ("NotFoundError", 404, "model_not_found"),
        "wrong_key": ("AuthenticationError", 401, "invalid_api_key"),
        "stream": ("BadRequestError", 400, "context_length_exceeded"),
    }


def test_a_failure_in_the_middle_of_a_stream_is_an_api_error(gateway, calls):
    gateway.fake.dial.fail, gateway.fake.dial.fail_after_tokens = "backend_eof", 2

    assert calls("stream")["stream"]["error"] == "APIError"


def test_a_passing_failure_is_retried_by_the_sdk_itself(gateway, calls):
    gateway.fake.dial.fail = Failure(503, "model is at capacity", "admission_rejected", retry_after="1")
    gateway.fake.dial.fail_times = 1

    assert calls("patient") == {"patient": {"text": "Hello from the model."}}
