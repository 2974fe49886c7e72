"""Rows 12 to 16 of the diagnosis table: LocalAI is well, the process that runs the model is not."""

from __future__ import annotations

import pytest

from tests.fakes.localai import FakeLocalAI
from tests.fakes.runs import validate

LLM = [("gpt-3.5-turbo", "llm")]
EMBEDDING = [("text-embedding-ada-002", "text-embedding")]

# Streamed, unstreamed, and hidden in release 1's empty stream: the same words mean the same.
EVERY_WAY = pytest.mark.parametrize(
    ("version", "models"),
    [("v4.9.0", LLM), ("v4.9.0", EMBEDDING), ("v1.24.1", LLM)],
    ids=["in a stream", "as a status", "in an empty stream"],
)


# --- Row 12 ---
@EVERY_WAY
@pytest.mark.parametrize("failure", ["backend_not_found", "no_backends", "no_backend_with_name"])
async def test_a_backend_that_is_not_installed_is_to_be_installed(
    fake: FakeLocalAI, failure: str, version: str, models: list[tuple[str, str]]
) -> None:
    fake.dial.version, fake.dial.fail = version, failure

    run = await validate(fake.url, "infer", models)

    assert run.steps[-1] == ("infer", "backend_not_installed")
    assert "Install the backend on the server" in run.remedy
    assert "correct backend: in the model's YAML" in run.remedy


# --- Row 13 ---
@EVERY_WAY
@pytest.mark.parametrize("failure", ["grpc_not_ready", "backend_exited"])
async def test_a_backend_that_does_not_come_up_points_at_disk_memory_and_cpu(
    fake: FakeLocalAI, failure: str, version: str, models: list[tuple[str, str]]
) -> None:
    fake.dial.version, fake.dial.fail = version, failure

    run = await validate(fake.url, "infer", models)

    assert run.steps[-1] == ("infer", "backend_start_failed")
    assert "grpc.attempts" in run.remedy
    assert "another CPU" in run.remedy


# --- Row 14 ---
@EVERY_WAY
async def test_a_refused_connection_inside_the_server_is_not_ours(
    fake: FakeLocalAI, version: str, models: list[tuple[str, str]]
) -> None:
    fake.dial.version, fake.dial.fail = version, "inner_refused"

    run = await validate(fake.url, "infer", models)

    assert run.steps[-1] == ("infer", "backend_crashed")
    assert ("connect", "ok") in run.steps
    assert "container" not in run.remedy


# --- Row 15 ---
@EVERY_WAY
@pytest.mark.parametrize("failure", ["backend_eof", "cuda_out_of_memory", "out_of_memory", "cancelled_by_watchdog"])
async def test_a_backend_that_died_points_at_memory(
    fake: FakeLocalAI, failure: str, version: str, models: list[tuple[str, str]]
) -> None:
    fake.dial.version, fake.dial.fail = version, failure

    run = await validate(fake.url, "infer", models)

    assert run.steps[-1] == ("infer", "backend_crashed")
    assert "memory ran out" in run.remedy
    assert "one model loaded at a time" in run.remedy


# --- Row 16 ---
@EVERY_WAY
async def test_a_file_that_no_backend_reads_asks_for_a_yaml_and_is_summarised(
    fake: FakeLocalAI, version: str, models: list[tuple[str, str]]
) -> None:
    fake.dial.version, fake.dial.fail = version, "every_backend_failed"

    run = await validate(fake.url, "infer", models)

    assert run.steps[-1] == ("infer", "model_file_unusable")
    assert "Write a YAML with backend: for the model" in run.remedy
    assert len(run.message) < 600
    assert len(str(run.last.evidence)) < 1500


async def test_a_failure_names_the_model_and_the_servers_words(fake: FakeLocalAI) -> None:
    fake.dial.fail = "backend_not_found"

    run = await validate(fake.url, "infer", EMBEDDING)

    assert run.message.startswith("text-embedding-ada-002: ")
    assert "backend not found: llama-cpp" in run.message
    assert run.last.evidence["model"] == "text-embedding-ada-002"


async def test_a_failure_in_words_that_nobody_knows_is_shown_as_it_came(fake: FakeLocalAI) -> None:
    fake.dial.fail = "opaque"

    run = await validate(fake.url, "infer", EMBEDDING)

    assert run.code == "bad_response"
    assert "an error that says nothing known" in run.message


async def test_a_server_that_answers_with_the_status_alone_still_ends_the_run(fake: FakeLocalAI) -> None:
    fake.dial.fail, fake.dial.opaque_errors = "backend_eof", True

    run = await validate(fake.url, "infer", EMBEDDING)

    assert run.code == "bad_response"
    assert "500" in run.message


@pytest.mark.parametrize("style", ["int", "string", "absent"])
async def test_the_code_may_be_a_number_a_word_or_nothing(fake: FakeLocalAI, style: str) -> None:
    fake.dial.fail = "backend_not_found"
    fake.dial.error_code = style  # type: ignore[assignment]

    run = await validate(fake.url, "infer", [*LLM, *EMBEDDING])

    assert [finding.code for finding in run.findings[-2:]] == ["backend_not_installed"] * 2
