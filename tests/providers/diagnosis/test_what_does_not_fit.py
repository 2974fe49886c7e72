"""Rows 21, 22, 23 and 27 of the diagnosis table: the context, the type, the dimensions, the size of the body."""

from __future__ import annotations

import pytest

from tests.fakes.localai import FakeLocalAI
from tests.fakes.runs import ToProbe, validate

LLM = [("gpt-3.5-turbo", "llm")]
EMBEDDING = [("text-embedding-ada-002", "text-embedding")]


# --- Row 21 ---
async def test_a_context_overflow_is_the_callers_and_shows_the_figures(fake: FakeLocalAI) -> None:
    fake.dial.fail = "context_overflow"

    run = await validate(fake.url, "infer", LLM)

    assert run.steps[-1] == ("infer", "context_length_exceeded")
    assert "20652 tokens do not fit the context of 8192" in run.message
    assert "raise context_size in the model's YAML" in run.remedy
    assert run.last.evidence["context_size"] == 8192


@pytest.mark.parametrize("failure", ["context_overflow", "context_overflow_413", "invalid_pitch"])
async def test_every_way_to_say_it_is_one_code(fake: FakeLocalAI, failure: str) -> None:
    fake.dial.fail = failure

    run = await validate(fake.url, "infer", EMBEDDING)

    assert run.code == "context_length_exceeded"


async def test_a_model_too_small_for_the_smallest_question_is_found_out(fake: FakeLocalAI) -> None:
    fake.models["gpt-3.5-turbo"].context_size = 8

    run = await validate(fake.url, "infer", LLM)

    assert run.code == "context_length_exceeded"
    assert run.last.evidence["context_size"] == 8


# --- Row 22 ---
async def test_a_declared_type_that_the_server_contradicts_costs_no_cold_load(fake: FakeLocalAI) -> None:
    run = await validate(fake.url, "infer", [("text-embedding-ada-002", "llm"), ("gpt-3.5-turbo", "text-embedding")])

    assert [finding.code for finding in run.findings[-2:]] == ["model_type_mismatch"] * 2
    assert run.message == "`text-embedding-ada-002` cannot be used as llm. The server reports: embeddings."
    assert "Set the entry's type to what the server reports" in run.remedy
    assert fake.requests("/v1/chat/completions") == fake.requests("/v1/embeddings") == []


@pytest.mark.parametrize("version", ["v1.24.1", "v2.29.0"])
async def test_where_the_server_reports_no_capabilities_its_words_tell(fake: FakeLocalAI, version: str) -> None:
    fake.dial.version = version

    chat = await validate(fake.url, "infer", [("text-embedding-ada-002", "llm")])
    embeddings = await validate(fake.url, "infer", [("gpt-3.5-turbo", "text-embedding")])

    assert chat.code == embeddings.code == "model_type_mismatch"
    assert "embeddings: true in its YAML" in embeddings.remedy


async def test_a_wrong_type_that_the_backend_lets_pass_is_caught_by_the_capabilities(fake: FakeLocalAI) -> None:
    fake.dial.embeds_with_any_model = True

    run = await validate(fake.url, "infer", [("gpt-3.5-turbo", "text-embedding")])

    assert run.code == "model_type_mismatch"


async def test_a_model_without_reported_capabilities_is_tried(fake: FakeLocalAI) -> None:
    fake.add("loose.gguf", "loose_file")
    fake.add("plain", "untemplated")

    run = await validate(fake.url, "infer", [("loose.gguf", "llm"), ("plain", "llm")])

    assert run.code is None


# --- Row 23 ---
async def test_vectors_of_another_length_than_before_close_the_model(fake: FakeLocalAI) -> None:
    fake.models["text-embedding-ada-002"].dimensions = 768

    run = await validate(fake.url, "infer", [ToProbe("text-embedding-ada-002", "text-embedding", 384)])

    assert run.steps[-1] == ("infer", "dimensions_changed")
    assert "have 768 numbers; they had 384" in run.message
    assert "embed the stored texts again" in run.remedy


async def test_the_same_length_as_before_is_well(fake: FakeLocalAI) -> None:
    run = await validate(fake.url, "infer", [ToProbe("text-embedding-ada-002", "text-embedding", 384)])

    assert run.code is None


async def test_floats_are_asked_for_and_base64_is_understood(fake: FakeLocalAI) -> None:
    fake.dial.embedding_as = "base64"

    run = await validate(fake.url, "infer", [ToProbe("text-embedding-ada-002", "text-embedding", 384)])

    assert run.code is None
    assert fake.requests("/v1/embeddings")[0].json["encoding_format"] == "float"


@pytest.mark.parametrize("quirk", ["omit_data", "one_vector_only", "unequal_vectors", "not_a_number"])
async def test_what_are_no_vectors_is_a_bad_response(fake: FakeLocalAI, quirk: str) -> None:
    setattr(fake.dial, quirk, True)

    assert (await validate(fake.url, "infer", EMBEDDING)).code == "bad_response"


# --- Row 27 ---
@pytest.mark.parametrize("by_a_proxy", [False, True], ids=["by LocalAI", "by a proxy before it"])
async def test_a_body_that_is_too_large_tells_both_limits(fake: FakeLocalAI, by_a_proxy: bool) -> None:
    fake.add("whisper-1", "stt")
    fake.dial.body_limit_bytes, fake.dial.body_limit_page = 1000, by_a_proxy

    run = await validate(fake.url, "infer", [("whisper-1", "speech2text")])

    assert run.steps[-1] == ("infer", "body_too_large")
    assert "LOCALAI_UPLOAD_LIMIT (15 MB)" in run.remedy
    assert "embed in smaller batches" in run.remedy
