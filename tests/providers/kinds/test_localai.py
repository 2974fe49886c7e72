"""LocalAI, release by release: what it says it is, and what it tells about its models."""

from __future__ import annotations

import pytest

from providers.kinds import KINDS, FoundModel
from providers.upstream.client import UpstreamClient
from tests.fakes.localai import FakeLocalAI
from tests.fakes.runs import target_at

LOCALAI = KINDS["localai"]


async def found_by_name(client: UpstreamClient, fake: FakeLocalAI, **target: object) -> dict[str, FoundModel]:
    models = await LOCALAI.list_models(client, target_at(fake.url, **target))  # type: ignore[arg-type]
    return {model.upstream_name: model for model in models}


# --- Identity ---
async def test_the_mark_is_asked_first_and_needs_no_key(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.dial.api_keys = {"right"}

    identity = await LOCALAI.identify(client, target_at(fake.url))

    assert (identity.product, identity.version) == ("LocalAI", "v4.9.0")
    assert [request.path for request in fake.ledger] == ["/.well-known/localai.json"]


async def test_an_old_release_is_known_by_its_version(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.dial.version = "v1.24.1"

    identity = await LOCALAI.identify(client, target_at(fake.url))

    assert identity.as_json() == {"product": "LocalAI", "version": "v1.24.1"}


async def test_a_stand_in_is_called_by_the_name_it_gives_itself(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.dial.has_well_known, fake.dial.product = False, "modelyard-demo (llama.cpp b7549)"

    identity = await LOCALAI.identify(client, target_at(fake.url))

    assert identity.as_json() == {"product": "modelyard-demo", "version": "llama.cpp b7549"}


async def test_an_old_release_that_refuses_the_key_stays_unnamed_for_now(
    fake: FakeLocalAI, client: UpstreamClient
) -> None:
    fake.dial.version, fake.dial.api_keys = "v1.24.1", {"right"}

    assert (await LOCALAI.identify(client, target_at(fake.url))).as_json() == {}


async def test_a_proxy_that_lets_only_v1_through_leaves_it_unnamed(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.dial.has_well_known = fake.dial.has_version = False

    assert (await LOCALAI.identify(client, target_at(fake.url))).as_json() == {}


# --- Types ---
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("llm", "llm"),
        ("vision", "llm"),
        ("embedding", "text-embedding"),
        ("rerank", "rerank"),
        ("stt", "speech2text"),
        ("tts", "tts"),
        ("image", "image"),
        ("untemplated", None),
        ("loose_file", None),
    ],
)
async def test_the_type_comes_from_the_capabilities_and_is_never_guessed(
    fake: FakeLocalAI, client: UpstreamClient, sort: str, expected: str | None
) -> None:
    fake.add("m", sort)

    assert (await found_by_name(client, fake))["m"].type == expected


async def test_models_keep_the_servers_order_and_their_features(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.add("llava", "vision")

    found = await found_by_name(client, fake)

    assert list(found) == ["gpt-3.5-turbo", "text-embedding-ada-002", "llava"]
    assert found["gpt-3.5-turbo"].features == ("tool-call", "stream")
    assert found["llava"].features == ("vision", "stream")
    assert found["text-embedding-ada-002"].features == ()
    assert found["gpt-3.5-turbo"].mode == "chat"


async def test_before_4_6_1_the_type_comes_from_ollamas_route(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.dial.has_capabilities = False

    found = await found_by_name(client, fake)

    assert {name: model.type for name, model in found.items()} == {
        "gpt-3.5-turbo": "llm",
        "text-embedding-ada-002": "text-embedding",
    }
    assert found["gpt-3.5-turbo"].source["type"] == "show"


async def test_without_either_the_admins_configuration_tells(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.dial.has_capabilities = fake.dial.has_ollama_show = False
    fake.dial.api_keys, fake.dial.user_keys = {"admin"}, {"user": set()}

    found = await found_by_name(client, fake, secrets={"api_key": "user", "admin_api_key": "admin"})

    assert [model.type for model in found.values()] == ["llm", "text-embedding"]
    assert found["gpt-3.5-turbo"].source["type"] == "config"


async def test_release_1_tells_names_alone(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.dial.version = "v1.24.1"

    found = await found_by_name(client, fake)

    assert [(model.type, dict(model.source)) for model in found.values()] == [(None, {}), (None, {})]
    assert not [request for request in fake.ledger if request.path == "/api/show"][1:]


# --- Context sizes ---
async def test_the_context_size_comes_from_evidence_only(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.add("small", context_size=2048)

    found = await found_by_name(client, fake)

    assert found["small"].context_size == 2048
    assert found["small"].source["context_size"] == "show"
    assert found["gpt-3.5-turbo"].context_size is None
    assert "context_size" not in found["gpt-3.5-turbo"].source


async def test_the_admins_configuration_wins_over_ollamas_route(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.dial.api_keys = {"k"}
    fake.add("small", context_size=2048)

    found = await found_by_name(client, fake, secrets={"api_key": "k"})

    assert found["small"].source["context_size"] == "config"


async def test_a_name_with_a_colon_is_not_asked_of_the_route_that_would_cut_it(
    fake: FakeLocalAI, client: UpstreamClient
) -> None:
    fake.models.clear()
    fake.add("llama3:8b", context_size=8192)

    found = await found_by_name(client, fake)

    assert found["llama3:8b"].context_size is None
    assert fake.requests("/api/show") == []


async def test_a_name_with_a_slash_is_one_segment_of_a_path(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.dial.api_keys = {"k"}
    fake.models.clear()
    fake.add("org/model")

    await found_by_name(client, fake, secrets={"api_key": "k"})

    assert [request.target for request in fake.ledger if "config-json" in request.target] == [
        "/api/models/config-json/org%2Fmodel"
    ]


async def test_an_empty_server_lists_nothing(fake: FakeLocalAI, client: UpstreamClient) -> None:
    fake.dial.listing = {"object": "list", "data": None}

    assert await found_by_name(client, fake) == {}


async def test_what_was_found_can_be_stored(fake: FakeLocalAI, client: UpstreamClient) -> None:
    found = await found_by_name(client, fake)

    assert found["text-embedding-ada-002"].as_json() == {
        "upstream_name": "text-embedding-ada-002",
        "type": "text-embedding",
        "capabilities": ["embeddings"],
        "context_size": None,
        "features": [],
        "source": {"type": "capabilities"},
        "mode": None,
        "dimensions": None,
    }
