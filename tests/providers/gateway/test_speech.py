"""POST /v1/audio/speech: the server's sound, passed on as it comes."""

import socket

import httpx
import orjson
import pytest

from providers.models import Provider
from tests.fakes.sound import silent_wav
from tests.providers.gateway.conftest import error
from tests.providers.rows import add_model
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

PATH = "/v1/audio/speech"
SPEAK = {"model": "speaker", "input": "Hello there"}


@pytest.fixture
def speaker(gateway):
    gateway.fake.add("kokoro", "tts")
    add_model(gateway.provider, "speaker", type="tts", upstream_name="kokoro")
    return gateway


@pytest.fixture
def speak(speaker):
    return lambda **fields: speaker.post("audio/speech", {**SPEAK, **fields})


def test_the_sound_comes_as_the_server_made_it_and_the_call_is_counted(gateway, speak):
    response = speak()

    assert response.content == silent_wav(seconds=0.1)
    assert response.headers["content-type"] == "audio/x-wav"
    assert int(response.headers["content-length"]) == len(response.content)
    assert response.headers["x-provider"] == str(gateway.provider.pk)
    assert "content-disposition" not in response.headers  # a path on the server's disk
    used = gateway.used()
    assert (used.operation, used.outcome, used.is_estimated) == ("audio.speech", "succeeded", True)
    assert used.prompt_tokens > 0
    assert used.first_token_ms is not None


def test_all_that_was_written_reaches_the_server_and_only_the_model_is_renamed(gateway, speak):
    speak(voice="alloy", speed=1.5, response_format="wav", instructions="Whisper", sample_rate=16000)

    assert gateway.sent(PATH) == {
        "model": "kokoro",
        "input": "Hello there",
        "voice": "alloy",
        "speed": 1.5,
        "response_format": "wav",
        "instructions": "Whisper",
        "sample_rate": 16000,
    }


def test_what_nobody_could_speak_is_400(speak):
    for wrong in ({"input": None}, {"input": ""}, {"input": "  "}, {"input": ["a"]}, {"stream_format": "mp3"}):
        response = speak(**wrong)

        assert error(response) == (400, "invalid_request"), wrong
        assert response.json()["error"]["param"] == next(iter(wrong))


def test_what_the_server_refuses_is_told_in_its_words(speak):
    response = speak(speed=9)

    assert error(response) == (400, "invalid_request")
    assert "between 0.25 and 4.0" in response.json()["error"]["message"]


def test_a_model_of_another_type_does_not_speak(speak):
    assert error(speak(model="gpt-4")) == (400, "model_type_mismatch")


@pytest.mark.parametrize(
    "raw",
    [
        (200, "application/json", b'{"ok": true}'),
        (200, "text/html", b"<!DOCTYPE html><html></html>"),
        (200, "audio/wav", b"<!DOCTYPE html><html></html>"),
        (200, "text/plain", b"not today"),
        (200, "audio/wav", b""),
    ],
    ids=["json", "page", "page-in-disguise", "words", "nothing"],
)
def test_what_is_no_sound_is_no_answer(gateway, speak, raw):
    gateway.fake.dial.raw_answer = raw

    assert error(speak()) == (502, "provider_bad_response")


def test_an_error_told_with_a_200_is_an_error_and_holds_no_secret(gateway, speak):
    told = b'{"error": {"message": "key upstream-key is out of credit"}}'
    gateway.fake.dial.raw_answer = (200, "application/json", told)

    response = speak()

    assert error(response) == (502, "provider_error")
    assert "upstream-key" not in response.text


def test_the_first_sound_goes_out_before_the_last_is_made(speaker):
    speaker.fake.dial.token_delay_seconds = 60
    with speaker.client() as client, client.stream("POST", PATH, json={**SPEAK, "stream": True}) as response:
        assert next(response.iter_raw()).startswith(b"RIFF")
        assert response.headers["content-type"] == "audio/wav"
        assert "content-length" not in response.headers


def test_sound_may_come_as_events_where_the_server_can(speaker):
    said = b'data: {"type":"speech.audio.delta","audio":"UklGRg=="}\n\ndata: {"type":"speech.audio.done"}\n\n'
    speaker.fake.dial.raw_answer = (200, "text/event-stream", said)
    response = speaker.post("audio/speech", {**SPEAK, "stream_format": "sse"})

    assert response.content == said
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"

    speaker.fake.dial.raw_answer = None
    response = speaker.post("audio/speech", {**SPEAK, "stream_format": "sse"})

    assert error(response) == (502, "provider_bad_response")  # LocalAI cannot


@pytest.mark.parametrize("dial", [{"cut_after_tokens": 2}, {"stall_after_tokens": 2}], ids=["cut", "stalled"])
def test_sound_that_breaks_off_is_cut_and_never_looks_whole(speaker, dial):
    Provider.objects.for_tenant(speaker.team.id).update(settings={"max_concurrency": None, "idle_timeout_seconds": 0.3})
    for name, value in dial.items():
        setattr(speaker.fake.dial, name, value)

    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        speaker.post("audio/speech", {**SPEAK, "stream": True})

    used = speaker.used()
    assert used.outcome in ("error_in_stream", "stalled")
    assert used.prompt_tokens > 0


def test_a_server_that_thinks_before_it_speaks_is_given_the_whole_time(speaker):
    figures = {"max_concurrency": None, "first_token_timeout_seconds": 0.1, "idle_timeout_seconds": 0.1}
    Provider.objects.for_tenant(speaker.team.id).update(settings=figures)
    speaker.fake.dial.cold_load_seconds = 0.5

    assert speaker.post("audio/speech", SPEAK).status_code == 200


def test_but_no_more_than_that(speaker, speak):
    figures = {"total_timeout_seconds": 0.2}
    add_model(speaker.provider, "brief", type="tts", upstream_name="kokoro", settings=figures)
    assert speak().status_code == 200  # its connection rests: the deadline cannot fall into the dialling
    speaker.fake.dial.hang = True

    assert error(speak(model="brief")) == (504, "timeout")


def test_leaving_in_the_middle_closes_the_server_and_frees_the_slot(speaker):
    Provider.objects.for_tenant(speaker.team.id).update(settings={"max_concurrency": 1})
    speaker.fake.dial.token_delay_seconds = 60
    with speaker.client() as client, client.stream("POST", PATH, json={**SPEAK, "stream": True}) as response:
        next(response.iter_raw())

    seen = speaker.fake.requests(PATH)[0]
    wait_for(lambda: seen.aborted_at)
    assert speaker.used().outcome == "cancelled"
    speaker.fake.dial.token_delay_seconds = 0
    assert speaker.post("audio/speech", SPEAK).status_code == 200


def test_a_listener_who_takes_nothing_holds_no_sound_in_memory_and_is_dropped(speaker, settings):
    settings.SLOW_READER_SECONDS = 1.0
    speaker.fake.dial.speech_seconds = 2000  # 64 MB, more than the sockets on the way hold
    host, port = speaker.url.removeprefix("http://").split(":")
    body = orjson.dumps(SPEAK)
    head = f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {speaker.team.key}\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        seen = wait_for(lambda: speaker.fake.requests(PATH))[0]
        wait_for(lambda: seen.aborted_at)

    assert seen.bytes_sent < 48 * 2**20
    assert speaker.used().outcome == "cancelled"


def test_a_busy_server_that_never_saw_the_call_is_asked_again(speaker):
    speaker.fake.dial.fail, speaker.fake.dial.fail_times = "admission", 1

    assert speaker.post("audio/speech", SPEAK).status_code == 200
    assert len(speaker.fake.requests(PATH)) == 2
