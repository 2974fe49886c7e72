"""POST /v1/audio/transcriptions and /v1/audio/translations: a form with a file, answered by what was said in it."""

import orjson
import pytest

from providers.models import ModelEntry, Provider
from tests.fakes.localai import multipart_fields
from tests.fakes.sound import silent_wav
from tests.providers.gateway.conftest import error, events, kept_alive
from tests.providers.rows import add_model, add_provider, make_default
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

PATH = "/v1/audio/transcriptions"
SAID = "Hello from the model."
WAV = silent_wav(seconds=0.1)


@pytest.fixture
def listener(gateway):
    gateway.fake.add("whisper-1", "stt")
    add_model(
        gateway.provider, "listener", type="speech2text", upstream_name="whisper-1", parameters={"language": "en"}
    )
    return gateway


def post(gateway, path, *, file=WAV, **fields):
    with gateway.client() as client:
        return client.post(path, data={"model": "listener", **fields}, files={"file": ("hello.wav", file, "audio/wav")})


@pytest.fixture
def hear(listener):
    return lambda **fields: post(listener, PATH, **fields)


def received(gateway):
    return multipart_fields(gateway.fake.requests(PATH)[-1])


# --- Whole answers ---
def test_what_was_said_comes_as_json_and_the_call_is_counted(gateway, hear):
    response = hear()

    assert response.json()["text"] == SAID
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-provider"] == str(gateway.provider.pk)
    used = gateway.used()
    assert (used.operation, used.outcome, used.is_estimated) == ("audio.transcriptions", "succeeded", True)
    assert used.completion_tokens > 0


def test_all_that_was_sent_reaches_the_server_and_only_the_model_is_renamed(gateway, hear):
    hear(prompt="Names: Ada", temperature="0.2", **{"timestamp_granularities[]": ["word", "segment"]})

    sent = received(gateway)
    assert sent["file"] == WAV
    assert sent["model"] == "whisper-1"
    assert (sent["prompt"], sent["temperature"], sent["language"]) == ("Names: Ada", "0.2", "en")
    raw = gateway.fake.requests(PATH)[-1].body
    assert raw.count(b'name="timestamp_granularities[]"') == 2
    assert b'filename="hello.wav"\r\nContent-Type: audio/wav\r\n' in raw
    assert b"listener" not in raw


def test_what_the_caller_says_wins_over_the_entrys_own_defaults(gateway, hear):
    hear(language="de")

    assert received(gateway)["language"] == "de"


def test_each_format_comes_as_it_was_asked_for(hear):
    plain = "text/plain; charset=utf-8"
    assert hear(response_format="text").text == f"{SAID}\n"  # LocalAI itself knows no `text`
    assert hear(response_format="text").headers["content-type"].lower() == plain
    assert hear(response_format="vtt").text.startswith("WEBVTT")
    assert hear(response_format="srt").headers["content-type"].lower() == plain
    assert hear(response_format="verbose_json").json()["segments"][0]["text"] == SAID


def test_an_old_server_that_knows_no_formats_gives_text_and_fails_for_the_rest(gateway, hear):
    gateway.fake.dial.version = "v1.24.1"

    assert hear(response_format="text").text == f"{SAID}\n"
    assert error(hear(response_format="srt")) == (502, "provider_bad_response")


def test_a_translation_is_a_transcription_with_a_flag_at_localai(gateway, listener):
    response = post(listener, "/v1/audio/translations")

    assert response.json()["text"] == f"In English: {SAID}"
    assert gateway.used().operation == "audio.translations"


def test_elsewhere_a_translation_has_an_address_of_its_own(gateway, listener):
    hosted = add_provider(gateway.team, gateway.fake.url, name="hosted", kind="openai_compatible", max_concurrency=None)
    add_model(hosted, "hosted-whisper", type="speech2text", upstream_name="whisper-1")

    post(listener, "/v1/audio/translations", model="hosted-whisper")

    assert gateway.fake.ledger[-1].path == "/v1/audio/translations"


def test_without_a_name_the_default_hears(gateway, listener):
    make_default(ModelEntry.objects.for_tenant(listener.team.id).get(name="listener"))

    with gateway.client() as client:
        response = client.post(PATH, files={"file": ("a.wav", WAV)})

    assert response.json()["text"] == SAID
    assert received(gateway)["model"] == "whisper-1"


# --- Big files ---
def test_a_file_of_many_megabytes_arrives_whole(gateway, hear):
    sound = silent_wav(seconds=300)
    assert len(sound) > 9 * 2**20

    assert hear(file=sound, prompt="x" * 100_000).status_code == 200
    assert received(gateway)["file"] == sound
    assert received(gateway)["prompt"] == "x" * 100_000


def test_a_form_beyond_the_limit_is_413_whether_it_says_so_or_not(gateway, hear, settings):
    settings.GATEWAY_BODY_MAX_BYTES = 2 * 2**20

    assert error(hear(file=silent_wav(seconds=100))) == (413, "request_too_large")
    with gateway.client(headers={"Content-Type": "multipart/form-data; boundary=b"}) as client:
        pieces = (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"x" * 2**20 for _ in range(3))
        assert error(client.post(PATH, content=pieces)) == (413, "request_too_large")
    assert gateway.fake.ledger == []


# --- Streams ---
def test_a_transcript_streams_as_typed_events(gateway, hear):
    response = hear(stream="true")

    *deltas, last, end = events(response)
    assert "".join(orjson.loads(data)["delta"] for data in deltas) == SAID
    assert orjson.loads(last) == {"type": "transcript.text.done", "text": SAID}
    assert end == b"[DONE]"
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    used = gateway.used()
    assert (used.outcome, used.is_estimated, used.completion_tokens) == ("succeeded", True, len(deltas) + 1)
    assert used.first_token_ms is not None


def test_a_server_that_does_not_stream_is_streamed_nonetheless(gateway, hear):
    gateway.fake.dial.version = "v1.24.1"

    first, last = (orjson.loads(data) for data in events(hear(stream="true")))

    assert (first["delta"], last["text"]) == (SAID, SAID)


def test_an_error_before_the_first_words_is_a_real_one(gateway, hear):
    gateway.fake.dial.fail = "backend_not_found"

    assert error(hear(stream="true")) == (502, "provider_error")
    assert error(hear()) == (502, "provider_error")


def test_an_error_after_the_first_words_is_an_event_and_the_end(gateway, hear):
    gateway.fake.dial.fail, gateway.fake.dial.fail_after_tokens = "backend_eof", 2

    *_, last = events(hear(stream="true"))

    assert orjson.loads(last)["error"]["code"] == "provider_error"


def test_a_transcript_that_breaks_off_is_not_whole(gateway, hear):
    gateway.fake.dial.cut_after_tokens = 2

    *_, last = events(hear(stream="true"))

    assert orjson.loads(last)["error"]["code"] in ("provider_error", "provider_bad_response")


def test_a_silent_server_is_kept_alive_for_the_proxies_in_between(gateway, listener, settings):
    settings.COMMIT_AFTER_SECONDS = settings.KEEPALIVE_SECONDS = 0.3
    gateway.fake.dial.cold_load_seconds = 60.0
    form = {"data": {"model": "listener", "stream": "true"}, "files": {"file": ("a.wav", WAV)}}

    response = kept_alive(gateway, "audio/transcriptions", **form)

    assert response.content.startswith(b": keepalive\n\n")
    assert orjson.loads(events(response)[-2])["text"] == SAID


def test_leaving_closes_the_server_and_frees_the_slot(gateway, listener):
    Provider.objects.for_tenant(gateway.team.id).update(settings={"max_concurrency": 1})
    gateway.fake.dial.token_delay_seconds = 60
    form = {"data": {"model": "listener", "stream": "true"}, "files": {"file": ("a.wav", WAV)}}
    with gateway.client() as client, client.stream("POST", PATH, **form) as response:
        next(response.iter_raw())

    seen = gateway.fake.requests(PATH)[0]
    wait_for(lambda: seen.aborted_at)
    assert gateway.used().outcome == "cancelled"
    gateway.fake.dial.token_delay_seconds = 0
    assert post(gateway, PATH).status_code == 200


def test_a_form_that_was_turned_away_is_sent_again_whole(gateway, hear):
    gateway.fake.dial.fail, gateway.fake.dial.fail_times = "admission", 1

    assert hear(file=silent_wav(seconds=60)).status_code == 200
    first, second = (multipart_fields(request) for request in gateway.fake.requests(PATH))
    assert first == second


# --- What is refused ---
def test_a_server_that_says_nothing_of_use_is_502(gateway, hear):
    page = (200, "text/html", b"<!DOCTYPE html><html></html>")
    for wanted, raw in (("json", page), ("vtt", page), ("json", (200, "application/json", b'{"ok": true}'))):
        gateway.fake.dial.raw_answer = raw

        assert error(hear(response_format=wanted)) == (502, "provider_bad_response"), (wanted, raw)


def test_a_model_of_another_type_does_not_hear(hear):
    assert error(hear(model="gpt-4")) == (400, "model_type_mismatch")


def test_a_field_that_makes_no_sense_is_400(hear):
    for wrong in ({"stream": "perhaps"}, {"Model": "listener"}, {"model": ["listener", "gpt-4"]}, {"file": b""}):
        response = hear(**wrong)

        assert error(response) == (400, "invalid_request"), wrong
        assert response.json()["error"]["param"] == next(iter(wrong))
