"""Row 11 of the diagnosis table: a model's name that the server does not know."""

from __future__ import annotations

import pytest

from tests.fakes.localai import FakeLocalAI
from tests.fakes.runs import validate


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ("GPT-3.5-Turbo", "gpt-3.5-turbo"),
        ("gpt-3.5-turbo.gguf", "gpt-3.5-turbo"),
        ("gpt-35-turbo", "gpt-3.5-turbo"),
        ("text-embedding-ada-2", "text-embedding-ada-002"),
        ("thebloke/gpt-3.5-turbo", "gpt-3.5-turbo"),
    ],
)
async def test_the_nearest_name_is_offered(fake: FakeLocalAI, asked: str, nearest: str) -> None:
    fake.dial.knows_unknown_models = True
    fake.models.pop(asked, None)

    run = await validate(fake.url, "infer", [(asked, "llm")])

    assert run.steps[-1] == ("infer", "model_not_found")
    assert run.message == f"The server does not know the model `{asked}`."
    assert f"`{nearest}`" in run.remedy
    assert "the name in the model's YAML" in run.remedy


async def test_a_placeholder_gets_the_list_to_look_at(fake: FakeLocalAI) -> None:
    run = await validate(fake.url, "infer", [("model-placeholder", "llm")])

    assert run.code == "model_not_found"
    assert run.remedy.startswith("Use a name from the model list")


@pytest.mark.parametrize("version", ["v1.24.1", "v2.29.0"])
async def test_releases_that_try_to_load_any_name_are_understood(fake: FakeLocalAI, version: str) -> None:
    fake.dial.version = version

    run = await validate(fake.url, "infer", [("gpt-4", "llm")])

    assert run.code == "model_not_found"


async def test_one_unknown_model_does_not_keep_the_others_from_being_tried(fake: FakeLocalAI) -> None:
    run = await validate(fake.url, "infer", [("nope", "llm"), ("text-embedding-ada-002", "text-embedding")])

    assert [finding.code for finding in run.findings[-2:]] == ["model_not_found", "ok"]
    assert run.code == "model_not_found"
    assert [result.dimensions for result in run.outcome.probed] == [384]
