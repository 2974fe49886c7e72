"""Row 19 of the diagnosis table: status 200, and then an error, or nothing."""

from __future__ import annotations

import pytest

from tests.fakes.localai import FakeLocalAI
from tests.fakes.localai_failures import Failure
from tests.fakes.runs import validate

LLM = [("gpt-3.5-turbo", "llm")]


async def test_an_error_event_after_the_headers_fails_the_step(fake: FakeLocalAI) -> None:
    fake.dial.fail = Failure(500, "something in the sampler broke")

    run = await validate(fake.url, "infer", LLM)

    assert run.steps[-1] == ("infer", "error_in_stream")
    assert "something in the sampler broke" in run.message
    assert "with status 200" in run.remedy


async def test_an_error_after_some_tokens_fails_it_too(fake: FakeLocalAI) -> None:
    fake.dial.fail, fake.dial.fail_after_tokens = Failure(500, "something in the sampler broke"), 2

    run = await validate(fake.url, "infer", LLM)

    assert run.code == "error_in_stream"


@pytest.mark.parametrize("version", ["v1.24.1", "v4.9.0"])
async def test_an_empty_stream_is_a_failure_in_disguise(fake: FakeLocalAI, version: str) -> None:
    fake.dial.version, fake.dial.empty_stream = version, True

    run = await validate(fake.url, "infer", LLM)

    assert run.steps[-1] == ("infer", "empty_stream")
    assert "Old LocalAI versions hide failures in an empty stream" in run.remedy


async def test_the_reason_that_release_1_hides_is_found_by_asking_again_unstreamed(fake: FakeLocalAI) -> None:
    fake.dial.version, fake.dial.fail = "v1.24.1", "cuda_out_of_memory"

    run = await validate(fake.url, "infer", LLM)

    assert run.code == "backend_crashed"
    assert [request.json.get("stream", False) for request in fake.requests("/v1/chat/completions")] == [True, False]


async def test_chunks_with_nothing_in_them_are_no_content(fake: FakeLocalAI) -> None:
    fake.dial.empty_deltas, fake.dial.empty_stream, fake.dial.role_chunks_early = 3, True, True

    assert (await validate(fake.url, "infer", LLM)).code == "empty_stream"


@pytest.mark.parametrize("end", ["cut_after_tokens", "reset_after_tokens"])
async def test_a_connection_that_ends_before_the_answer_is_a_failure(fake: FakeLocalAI, end: str) -> None:
    setattr(fake.dial, end, 2)

    run = await validate(fake.url, "infer", LLM)

    assert run.code == "error_in_stream"


async def test_an_end_of_bytes_is_no_end_of_an_answer(fake: FakeLocalAI) -> None:
    fake.dial.close_delimited = fake.dial.omit_done = fake.dial.omit_finish = True

    assert (await validate(fake.url, "infer", LLM)).code == "error_in_stream"


@pytest.mark.parametrize(
    "quirk",
    [
        {"omit_done": True},
        {"omit_finish": True},
        {"omit_usage": True, "omit_ids": True},
        {"reasoning_tokens": ("hm",), "tokens": ()},
        {"tool_calls": (("look", "{}"),)},
        {"empty_deltas": 3},
        {"role_chunks_early": True},
        {"mcp_event": True},
        {"comments": True},
        {"piece_bytes": 7},
        {"close_delimited": True},
        {"version": "v1.24.1"},
        {"version": "v2.29.0"},
    ],
    ids=str,
)
async def test_what_is_only_odd_is_no_failure(fake: FakeLocalAI, quirk: dict[str, object]) -> None:
    for name, value in quirk.items():
        setattr(fake.dial, name, value)

    run = await validate(fake.url, "infer", LLM)

    assert run.code is None
    assert run.outcome.probed[0].mode == "chat"
