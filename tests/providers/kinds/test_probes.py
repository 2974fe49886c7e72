"""One small real call per type: what is sent, what is learnt, what is refused."""

from __future__ import annotations

import pytest

from providers.errors import CallerError, ProviderError
from providers.kinds import KINDS, ProbeResult
from providers.upstream.client import UpstreamClient
from tests.fakes.localai import FakeLocalAI, multipart_fields
from tests.fakes.runs import target_at

LOCALAI = KINDS["localai"]


async def probe(client: UpstreamClient, fake: FakeLocalAI, model_type: str, name: str) -> ProbeResult:
    return await LOCALAI.probe(client, target_at(fake.url), model_type, name)


async def test_a_language_model_is_tried_with_a_short_streamed_chat(fake: FakeLocalAI, client: UpstreamClient) -> None:
    result = await probe(client, fake, "llm", "gpt-3.5-turbo")

    sent = fake.ledger[-1].json
    assert (sent["stream"], sent["max_tokens"]) == (True, 16)
    assert result.mode == "chat"
    assert result.first_token_ms is not None


async def test_a_model_that_cannot_chat_is_tried_with_a_completion(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.dial.no_chat = True

    result = await probe(client, fake, "llm", "gpt-3.5-turbo")

    assert result.mode == "completion"


async def test_two_texts_give_the_dimensions(fake: FakeLocalAI, client: UpstreamClient) -> None:
    result = await probe(client, fake, "text-embedding", "text-embedding-ada-002")

    assert result.dimensions == 384
    assert len(fake.ledger[-1].json["input"]) == 2


@pytest.mark.parametrize("version", ["v4.2.4", "v4.9.0"])
async def test_embeddings_with_and_without_usage_are_well(
    fake: FakeLocalAI, client: UpstreamClient, version: str
) -> None:
    fake.dial.version = version

    assert (await probe(client, fake, "text-embedding", "text-embedding-ada-002")).dimensions == 384


async def test_a_reranker_is_tried_with_two_documents(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.add("reranker", "rerank")

    await probe(client, fake, "rerank", "reranker")

    assert (len(fake.ledger[-1].json["documents"]), fake.ledger[-1].json["top_n"]) == (2, 2)


async def test_a_transcriber_gets_one_second_of_sound(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.add("whisper-1", "stt")

    await probe(client, fake, "speech2text", "whisper-1")

    sent = multipart_fields(fake.ledger[-1])
    assert sent["model"] == "whisper-1"
    assert sent["file"][:4] == b"RIFF"
    assert len(sent["file"]) > 32_000


async def test_a_voice_answers_with_sound(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.add("piper", "tts")

    assert (await probe(client, fake, "tts", "piper")).type == "tts"


async def test_json_in_place_of_sound_is_refused(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.add("piper", "tts")
    fake.dial.speech_is_json = True

    with pytest.raises(ProviderError) as refused:
        await probe(client, fake, "tts", "piper")

    assert refused.value.code == "bad_response"


async def test_an_image_and_a_moderation_are_tried_too(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.add("sd", "image")

    assert (await probe(client, fake, "image", "sd")).type == "image"
    assert (await probe(client, fake, "moderation", "gpt-3.5-turbo")).type == "moderation"


async def test_a_rank_out_of_range_is_refused(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.add("reranker", "rerank")
    fake.dial.rerank_out_of_range = True

    with pytest.raises(ProviderError) as refused:
        await probe(client, fake, "rerank", "reranker")

    assert refused.value.code == "bad_response"


async def test_a_type_that_nobody_knows_cannot_be_tried(fake: FakeLocalAI, client: UpstreamClient) -> None:
    with pytest.raises(CallerError) as refused:
        await probe(client, fake, "video", "gpt-3.5-turbo")

    assert refused.value.code == "operation_not_available"
    assert fake.ledger == []


async def test_a_server_that_answers_in_one_piece_whatever_was_asked_is_well(
    fake: FakeLocalAI, client: UpstreamClient
) -> None:
    whole = b'{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"pong"},'
    fake.dial.raw_answer = (200, "application/json", whole + b'"finish_reason":"stop"}]}')

    assert (await probe(client, fake, "llm", "gpt-3.5-turbo")).mode == "chat"
