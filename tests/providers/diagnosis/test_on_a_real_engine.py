"""The same steps against real llama.cpp engines behind LocalAI's surface: what holds for the fake holds there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.runs import validate
from tests.stack.demo import RunningDemo, demo_localai

pytestmark = pytest.mark.engine

LLM = ("gpt-3.5-turbo", "llm")
EMBEDDING = ("text-embedding-ada-002", "text-embedding")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    with demo_localai(tmp_path_factory.mktemp("demo")) as running:
        yield running


async def test_the_seeds_two_models_are_found_and_answer(demo: RunningDemo) -> None:
    run = await validate(demo.url, "infer", secrets={"api_key": demo.key})

    assert run.code is None
    assert run.outcome.server["product"] == "modelyard-demo"
    assert [(result.upstream_name, result.type) for result in run.outcome.probed] == [LLM, EMBEDDING]
    assert [result.dimensions for result in run.outcome.probed] == [None, 384]


async def test_a_wrong_key_a_wrong_name_and_a_wrong_type_are_told_apart(demo: RunningDemo) -> None:
    key = {"api_key": demo.key}

    wrong_key = await validate(demo.url, secrets={"api_key": "wrong-key"})
    wrong_name = await validate(demo.url, "infer", [("gpt-35-turbo", "llm")], secrets=key)
    wrong_type = await validate(demo.url, "infer", [("text-embedding-ada-002", "llm")], secrets=key)

    assert [run.code for run in (wrong_key, wrong_name, wrong_type)] == [
        "auth_failed",
        "model_not_found",
        "model_type_mismatch",
    ]
