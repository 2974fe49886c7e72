"""Xinference against its fake: launched models only, its own listing, its own errors."""

from __future__ import annotations

import pytest

from providers.kinds import KINDS, FoundModel
from providers.upstream.client import UpstreamClient
from tests.fakes.localai import FakeLocalAI
from tests.fakes.runs import Run, target_at, validate
from tests.fakes.xinference import FakeXinference

KIND = KINDS["xinference"]


async def found(client: UpstreamClient, fake: FakeXinference) -> dict[str, FoundModel]:
    models = await KIND.list_models(client, target_at(fake.url, kind="xinference"))
    return {model.upstream_name: model for model in models}


async def check(fake: FakeXinference, level: str = "models", *models: tuple[str, str], key: str | None = None) -> Run:
    return await validate(fake.url, level, models, kind="xinference", secrets={"api_key": key} if key else {})


async def test_a_cluster_is_known_by_its_open_door(xinference: FakeXinference) -> None:
    run = await check(xinference)

    assert run.steps[-3:] == [("identify", "ok"), ("auth", "ok"), ("models", "ok")]
    assert run.outcome.server == {"product": "Xinference", "version": "1.5.0"}


async def test_another_server_is_not_taken_for_one(fake: FakeLocalAI) -> None:
    run = await validate(fake.url, kind="xinference")

    assert run.steps[-1] == ("identify", "path_not_found")
    assert "check the kind" in run.remedy


async def test_only_launched_models_are_listed_under_their_uid(
    xinference: FakeXinference, client: UpstreamClient
) -> None:
    assert await found(client, xinference) == {}

    xinference.launch("my-qwen", "LLM", abilities=("chat", "tools", "vision"), context_length=32768)
    model = (await found(client, xinference))["my-qwen"]

    assert (model.type, model.mode, model.context_size) == ("llm", "chat", 32768)
    assert model.features == ("tool-call", "vision", "stream")
    assert model.source == {"type": "listing", "context_size": "listing"}


@pytest.mark.parametrize(
    ("sort", "abilities", "expected"),
    [
        ("LLM", ("generate",), "llm"),
        ("embedding", (), "text-embedding"),
        ("rerank", (), "rerank"),
        ("image", ("text2image",), "image"),
        ("audio", ("audio2text",), "speech2text"),
        ("audio", ("text2audio",), "tts"),
        ("video", (), None),
        ("flexible", (), None),
    ],
)
async def test_the_type_comes_from_the_listing(
    xinference: FakeXinference, client: UpstreamClient, sort: str, abilities: tuple[str, ...], expected: str | None
) -> None:
    xinference.launch("m", sort, abilities=abilities)

    assert (await found(client, xinference))["m"].type == expected


async def test_a_release_without_abilities_tells_audio_models_by_their_family(
    xinference: FakeXinference, client: UpstreamClient
) -> None:
    xinference.dial.has_ability = False
    xinference.launch("ears", "audio", model_family="whisper")
    xinference.launch("mouth", "audio", model_family="CosyVoice")
    xinference.launch("unheard", "audio", model_family="something new")

    types = {name: model.type for name, model in (await found(client, xinference)).items()}

    assert types == {"ears": "speech2text", "mouth": "tts", "unheard": None}


async def test_the_uid_may_stand_under_its_own_name(xinference: FakeXinference, client: UpstreamClient) -> None:
    xinference.dial.uid_in = "model_uid"
    xinference.launch("bge", "embedding", dimensions=1024)

    assert (await found(client, xinference))["bge"].dimensions == 1024


async def test_a_model_that_is_not_launched_is_not_found(xinference: FakeXinference) -> None:
    xinference.launch("qwen2.5", "LLM", abilities=("chat",))

    run = await check(xinference, "infer", ("qwen-2.5", "llm"))

    assert run.steps[-1] == ("infer", "model_not_found")
    assert "`qwen2.5`" in run.remedy


async def test_every_type_can_be_tried(xinference: FakeXinference) -> None:
    xinference.launch("qwen", "LLM", abilities=("chat",))
    xinference.launch("bge", "embedding", dimensions=1024)
    xinference.launch("bge-reranker", "rerank")
    xinference.launch("ears", "audio", abilities=("audio2text",))
    xinference.launch("mouth", "audio", abilities=("text2audio",))
    xinference.launch("sd", "image", abilities=("text2image",))

    run = await check(xinference, "infer")

    assert run.code is None
    assert {result.type for result in run.outcome.probed} == set(KIND.model_types)
    assert next(result for result in run.outcome.probed if result.type == "text-embedding").dimensions == 1024


async def test_a_model_that_only_generates_is_tried_with_a_completion(xinference: FakeXinference) -> None:
    xinference.launch("base", "LLM", abilities=("generate",))

    run = await check(xinference, "infer", ("base", "llm"))

    assert run.code is None
    assert run.outcome.probed[0].mode == "completion"


async def test_a_declared_type_that_the_listing_contradicts_is_a_mismatch(xinference: FakeXinference) -> None:
    xinference.launch("bge", "embedding")

    run = await check(xinference, "infer", ("bge", "llm"))

    assert run.code == "model_type_mismatch"
    assert "text-embedding" in run.message


async def test_an_exception_in_the_model_is_an_event_without_shape_in_the_stream(xinference: FakeXinference) -> None:
    xinference.launch("qwen", "LLM", abilities=("chat",))
    xinference.dial.fail = "CUDA out of memory. Tried to allocate 2.00 GiB"

    run = await check(xinference, "infer", ("qwen", "llm"))

    assert run.code == "backend_crashed"


async def test_a_missing_a_wrong_and_a_weak_key_are_told_apart(xinference: FakeXinference) -> None:
    xinference.dial.tokens_of_users = {"right-key": {"models:list", "models:read"}, "weak-key": {"models:read"}}

    missing = await check(xinference)
    wrong = await check(xinference, key="wrong-key")
    weak = await check(xinference, key="weak-key")
    right = await check(xinference, key="right-key")

    assert [run.code for run in (missing, wrong, weak, right)] == [
        "auth_failed",
        "auth_failed",
        "permission_denied",
        None,
    ]
    assert right.outcome.server == {"product": "Xinference"}  # the version is for admins


async def test_its_own_rate_limit_is_an_overload(xinference: FakeXinference) -> None:
    xinference.launch("bge", "embedding")
    xinference.dial.rate_limited = True

    assert (await check(xinference, "infer", ("bge", "text-embedding"))).code == "overloaded"
