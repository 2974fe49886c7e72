"""The official Python SDK with sound, images and moderations."""

import base64

import openai
import pytest

from tests.fakes.sound import silent_wav

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("with_every_type"),
    pytest.mark.any_database,
]

SAID = "Hello from the model."
WAV = ("hello.wav", silent_wav(seconds=0.1))


def test_it_transcribes_in_each_format(sdk):
    whole = sdk.audio.transcriptions.create(model="listener", file=WAV)
    verbose = sdk.audio.transcriptions.create(
        model="listener", file=WAV, response_format="verbose_json", timestamp_granularities=["segment"]
    )
    plain = sdk.audio.transcriptions.create(model="listener", file=WAV, response_format="text", language="en")
    subtitles = sdk.audio.transcriptions.create(model="listener", file=WAV, response_format="vtt")

    assert whole.text == verbose.text == plain.strip() == SAID
    assert verbose.segments[0].text == SAID
    assert subtitles.startswith("WEBVTT")


def test_it_streams_a_transcript(sdk):
    *deltas, done = sdk.audio.transcriptions.create(model="listener", file=WAV, stream=True)

    assert "".join(event.delta for event in deltas) == done.text == SAID


def test_it_translates(sdk):
    assert sdk.audio.translations.create(model="listener", file=WAV).text == f"In English: {SAID}"


def test_it_speaks_at_once_and_bit_by_bit(sdk, tmp_path):
    whole = sdk.audio.speech.create(model="speaker", voice="alloy", input="Good morning.", response_format="wav")
    with sdk.audio.speech.with_streaming_response.create(
        model="speaker", voice="alloy", input="Good morning.", extra_body={"stream": True}
    ) as streamed:
        streamed.stream_to_file(tmp_path / "speech.wav")

    assert whole.content == (tmp_path / "speech.wav").read_bytes() == silent_wav(seconds=0.1)


def test_it_draws(sdk):
    for more in ({}, {"response_format": "b64_json", "size": "256x256", "n": 1}):
        drawn = sdk.images.generate(model="painter", prompt="A lighthouse at dusk", **more)

        assert base64.b64decode(drawn.data[0].b64_json).startswith(b"\x89PNG")


def test_it_moderates(sdk):
    judged = sdk.moderations.create(model="judge", input=["I will kill you", "Good morning"])

    assert [result.flagged for result in judged.results] == [True, False]
    assert judged.results[0].categories.violence
    assert judged.results[0].category_scores.violence > 0.9


def test_it_reranks_through_its_plain_door(sdk):
    ranked = sdk.post(
        "/rerank",
        cast_to=object,
        body={"model": "ranker", "query": "password", "documents": ["Settings", "Weather"]},
    )

    assert [result["index"] for result in ranked["results"]] == [0, 1]


# --- errors are the SDK's own exceptions ---
def test_an_image_by_address_is_a_bad_request_error(sdk):
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.images.generate(model="painter", prompt="A lighthouse", response_format="url")

    assert refused.value.param == "response_format"


def test_a_file_that_is_no_sound_is_the_servers_error_in_its_words(sdk):
    with pytest.raises(openai.InternalServerError) as failed:
        sdk.audio.transcriptions.create(model="listener", file=("hello.txt", b"no sound"))

    assert "failed to decode audio" in failed.value.message


def test_a_transcript_that_fails_before_and_after_its_first_words(with_every_type, sdk):
    dial = with_every_type.fake.dial
    dial.fail = "backend_eof"
    with pytest.raises(openai.InternalServerError):
        sdk.audio.transcriptions.create(model="listener", file=WAV, stream=True)

    dial.fail_after_tokens = 2
    stream = iter(sdk.audio.transcriptions.create(model="listener", file=WAV, stream=True))
    next(stream)
    with pytest.raises(openai.APIError) as failed:
        list(stream)

    assert failed.value.code == "provider_error"


def test_a_model_of_another_type_is_a_bad_request_error_everywhere(sdk):
    calls = [
        lambda: sdk.audio.transcriptions.create(model="gpt-4", file=WAV),
        lambda: sdk.audio.translations.create(model="gpt-4", file=WAV),
        lambda: sdk.audio.speech.create(model="gpt-4", voice="alloy", input="Good morning."),
        lambda: sdk.images.generate(model="gpt-4", prompt="A lighthouse"),
        lambda: sdk.moderations.create(model="gpt-4", input="Good morning"),
    ]
    for call in calls:
        with pytest.raises(openai.BadRequestError) as refused:
            call()
        assert refused.value.code == "model_type_mismatch"


async def test_the_asynchronous_client_does_the_same(with_every_type):
    async with openai.AsyncOpenAI(
        base_url=f"{with_every_type.url}/v1", api_key=with_every_type.team.key, max_retries=0
    ) as client:
        heard = await client.audio.transcriptions.create(model="listener", file=WAV)
        spoken = await client.audio.speech.create(model="speaker", voice="alloy", input="Good morning.")
        stream = await client.audio.transcriptions.create(model="listener", file=WAV, stream=True)
        events = [event async for event in stream]

    assert heard.text == SAID
    assert spoken.content.startswith(b"RIFF")
    assert events[-1].type == "transcript.text.done"
