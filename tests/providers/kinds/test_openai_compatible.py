"""Any server that speaks OpenAI's API: names and hardly anything else is told."""

from __future__ import annotations

from typing import Any

import pytest

from providers.kinds import KINDS
from providers.upstream.client import UpstreamClient
from tests.fakes.localai import FakeLocalAI
from tests.fakes.runs import target_at, validate

KIND = KINDS["openai_compatible"]


async def test_the_list_of_models_is_its_only_mark(fake: FakeLocalAI) -> None:
    run = await validate(fake.url, kind="openai_compatible")

    assert run.code is None
    assert run.outcome.server == {}
    assert {request.path for request in fake.ledger} == {"/v1/models"}


async def test_types_are_left_to_the_entries(fake: FakeLocalAI, client: UpstreamClient) -> None:
    found = await KIND.list_models(client, target_at(fake.url, kind="openai_compatible"))

    assert [(model.upstream_name, model.type) for model in found] == [
        ("gpt-3.5-turbo", None),
        ("text-embedding-ada-002", None),
    ]


@pytest.mark.parametrize("key", ["max_model_len", "context_length", "context_window"])
async def test_a_context_size_is_taken_where_a_server_adds_it(
    fake: FakeLocalAI, client: UpstreamClient, key: str
) -> None:
    fake.dial.listing = {"object": "list", "data": [{"id": "m", key: 32768}, {"id": "n", key: "unknown"}]}

    found = await KIND.list_models(client, target_at(fake.url, kind="openai_compatible"))

    assert [model.context_size for model in found] == [32768, None]


@pytest.mark.parametrize("listing", [[{"id": "m"}], {"data": [{"id": "m"}, "noise", {"object": "model"}]}], ids=str)
async def test_a_bare_list_and_odd_lines_are_read(fake: FakeLocalAI, client: UpstreamClient, listing: Any) -> None:
    fake.dial.listing = listing

    found = await KIND.list_models(client, target_at(fake.url, kind="openai_compatible"))

    assert [model.upstream_name for model in found] == ["m"]


async def test_models_are_tried_as_their_entries_declare_them(fake: FakeLocalAI) -> None:
    entries = [("gpt-3.5-turbo", "llm"), ("text-embedding-ada-002", "text-embedding")]

    run = await validate(fake.url, "infer", entries, kind="openai_compatible")

    assert run.code is None
    assert [result.dimensions for result in run.outcome.probed] == [None, 384]


async def test_a_key_that_is_refused_fails_the_auth_step_and_not_the_identity(fake: FakeLocalAI) -> None:
    fake.dial.api_keys = {"right-key"}

    run = await validate(fake.url, kind="openai_compatible", secrets={"api_key": "wrong-key"})

    assert run.steps[-2:] == [("identify", "ok"), ("auth", "auth_failed")]
