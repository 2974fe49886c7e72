"""Rows 7 and 8 of the diagnosis table: a key that is missing or wrong, and a key that may not do this."""

from __future__ import annotations

import json

import pytest

from tests.fakes.localai import FakeLocalAI
from tests.fakes.runs import validate

RIGHT = {"api_key": "right-key-1234"}
WRONG = {"api_key": "wrong-key-5678"}
LLM = [("gpt-3.5-turbo", "llm")]


# --- Row 7 ---
async def test_a_wrong_key_is_told_and_how_to_replace_it(fake: FakeLocalAI) -> None:
    fake.dial.api_keys = {"right-key-1234"}

    run = await validate(fake.url, secrets=WRONG)

    assert run.steps[-2:] == [("identify", "ok"), ("auth", "auth_failed")]
    assert run.message == f"{fake.url} refused the stored API key."
    assert run.remedy.startswith("Set the server's API key in the credentials")


async def test_a_key_that_was_never_stored_is_told_apart_from_a_wrong_one(fake: FakeLocalAI) -> None:
    fake.dial.api_keys = {"right-key-1234"}

    run = await validate(fake.url)

    assert run.code == "auth_failed"
    assert run.message == f"{fake.url} asks for an API key."
    assert run.remedy.startswith("No key is stored for it yet.")


@pytest.mark.parametrize("refusal", ["echo", "fiber", "missing_403", "missing_text"])
async def test_every_way_in_which_versions_refuse_a_key_is_one_code(fake: FakeLocalAI, refusal: str) -> None:
    fake.dial.api_keys, fake.dial.refusal = {"right-key-1234"}, refusal

    run = await validate(fake.url, secrets=WRONG)

    assert run.steps[-1] == ("auth", "auth_failed")


@pytest.mark.parametrize("version", ["v1.24.1", "v2.29.0", "v4.9.0"])
async def test_an_old_server_is_identified_only_once_the_key_is_right(fake: FakeLocalAI, version: str) -> None:
    fake.dial.version, fake.dial.api_keys = version, {"right-key-1234"}

    refused = await validate(fake.url, secrets=WRONG)
    accepted = await validate(fake.url, secrets=RIGHT)

    assert refused.code == "auth_failed"
    assert accepted.code is None
    assert accepted.outcome.server == {"product": "LocalAI", "version": version}


async def test_errors_without_words_are_read_by_their_status(fake: FakeLocalAI) -> None:
    fake.dial.api_keys, fake.dial.opaque_errors = {"right-key-1234"}, True

    assert (await validate(fake.url, secrets=WRONG)).code == "auth_failed"


async def test_the_key_goes_with_every_call(fake: FakeLocalAI) -> None:
    fake.dial.api_keys = {"right-key-1234"}
    fake.add("whisper-1", "stt")

    run = await validate(fake.url, "infer", [*LLM, ("whisper-1", "speech2text")], secrets=RIGHT)

    assert run.code is None
    assert {request.key for request in fake.ledger} == {"right-key-1234"}


async def test_inference_takes_the_api_key_and_configurations_the_admin_key(fake: FakeLocalAI) -> None:
    fake.dial.api_keys, fake.dial.user_keys = {"admin-key-1234"}, {"user-key-5678": set()}

    await validate(fake.url, "infer", LLM, secrets={"api_key": "user-key-5678", "admin_api_key": "admin-key-1234"})

    by_key = {
        request.key: request.path for request in fake.ledger if request.path.startswith("/api/models/config-json")
    }
    assert set(by_key) == {"admin-key-1234"}
    assert {request.key for request in fake.requests("/v1/chat/completions")} == {"user-key-5678"}


async def test_a_wrong_admin_key_is_told_by_its_name(fake: FakeLocalAI) -> None:
    fake.dial.api_keys, fake.dial.user_keys = {"admin-key-1234"}, {"user-key-5678": set()}

    run = await validate(fake.url, secrets={"api_key": "user-key-5678", "admin_api_key": "stale-key-0000"})

    assert run.steps[-1] == ("auth", "auth_failed")
    assert run.message == f"{fake.url} refused the stored admin API key."


async def test_an_admin_key_without_admin_rights_is_a_matter_of_rights(fake: FakeLocalAI) -> None:
    fake.dial.api_keys, fake.dial.user_keys = {"admin-key-1234"}, {"user-key-5678": set(), "other-key-0000": set()}

    run = await validate(fake.url, secrets={"api_key": "user-key-5678", "admin_api_key": "other-key-0000"})

    assert run.steps[-1] == ("auth", "permission_denied")
    assert "Admin access required" in run.message


async def test_a_key_that_the_server_repeats_is_in_nothing_that_is_stored(fake: FakeLocalAI) -> None:
    fake.dial.raw_answer = (500, "application/json", b'{"error": {"message": "bad key right-key-1234 seen"}}')

    run = await validate(fake.url, "infer", LLM, secrets=RIGHT)

    stored = json.dumps([finding.as_json() for finding in run.findings]) + run.message + run.remedy
    assert run.last.ok is False
    assert "right-key-1234" not in stored


# --- Row 8 ---
async def test_a_key_without_the_right_to_a_model_is_not_called_wrong(fake: FakeLocalAI) -> None:
    fake.dial.user_keys = {"user-key-5678": {"text-embedding-ada-002"}}

    run = await validate(fake.url, "infer", LLM, secrets={"api_key": "user-key-5678"})

    assert run.steps[-1] == ("infer", "permission_denied")
    assert "access denied to model: gpt-3.5-turbo" in run.message
    assert "Give the key's user the right to this model" in run.remedy


async def test_without_admin_rights_the_models_are_listed_all_the_same(fake: FakeLocalAI) -> None:
    fake.dial.api_keys, fake.dial.user_keys = {"admin-key-1234"}, {"user-key-5678": set()}

    run = await validate(fake.url, secrets={"api_key": "user-key-5678"})

    assert run.code is None
    assert [found.type for found in run.outcome.found or ()] == ["llm", "text-embedding"]


async def test_a_model_that_is_switched_off_on_the_server_is_a_matter_of_rights(fake: FakeLocalAI) -> None:
    fake.models["gpt-3.5-turbo"].disabled = True

    run = await validate(fake.url, "infer", LLM)

    assert run.code == "permission_denied"
    assert "disabled" in run.message
