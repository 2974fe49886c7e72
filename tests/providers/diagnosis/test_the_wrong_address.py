"""Rows 9 and 10 of the diagnosis table: a path that leads nowhere, and a web page in place of the API."""

from __future__ import annotations

import pytest

from providers.kinds import KINDS
from providers.upstream.egress import check_base_url
from tests.fakes.localai import FakeLocalAI
from tests.fakes.localai_dial import PAGE
from tests.fakes.runs import validate

LLM = [("gpt-3.5-turbo", "llm")]


# --- Row 9 ---
@pytest.mark.parametrize("pasted", ["/v1", "/v1/", "/v1/v1", "/v1/chat/completions", "/v1/models", "//", "/app"])
async def test_what_was_pasted_with_the_address_does_no_harm(fake: FakeLocalAI, pasted: str) -> None:
    stored = KINDS["localai"].normalise_base_url(check_base_url(fake.url + pasted))

    run = await validate(stored, "infer", LLM)

    assert stored == fake.url
    assert run.code is None


async def test_a_proxys_prefix_is_kept(fake: FakeLocalAI) -> None:
    fake.dial.gateway_prefix = "/localai"

    run = await validate(check_base_url(f"{fake.url}/localai/v1"), "infer", LLM)

    assert run.code is None


async def test_a_path_without_an_api_shows_the_address_that_was_tried(fake: FakeLocalAI) -> None:
    run = await validate(f"{fake.url}/wrong/prefix")

    assert run.steps[-1] == ("identify", "path_not_found")
    assert f"{fake.url}/wrong/prefix/v1/models" in run.message
    assert "/v1 is added by itself" in run.remedy


async def test_rerank_is_asked_where_it_is_with_v1_alone(fake: FakeLocalAI) -> None:
    fake.add("reranker", "rerank")

    run = await validate(fake.url, "infer", [("reranker", "rerank")])

    assert run.code is None
    assert len(fake.requests("/v1/rerank")) == 1


async def test_a_release_without_the_operation_says_so(fake: FakeLocalAI) -> None:
    fake.dial.version = "v1.24.1"
    fake.add("reranker", "rerank")

    run = await validate(fake.url, "infer", [("reranker", "rerank")])

    assert run.steps[-1] == ("infer", "path_not_found")


# --- Row 10 ---
@pytest.mark.parametrize("status", [200, 403, 404])
async def test_a_page_is_not_taken_for_the_api(fake: FakeLocalAI, status: int) -> None:
    fake.dial.page_status = status

    run = await validate(fake.url)

    assert run.steps[-1] == ("identify", "web_page_not_api")
    assert run.message == f"{fake.url} serves a web page, not the API of LocalAI."
    assert "login proxy" in run.remedy


async def test_a_login_that_sends_callers_away_is_a_page_too_and_is_not_followed(fake: FakeLocalAI) -> None:
    with FakeLocalAI() as elsewhere:
        fake.dial.redirect_to = elsewhere.url
        run = await validate(fake.url)

    assert run.code == "web_page_not_api"
    assert elsewhere.ledger == []
    assert elsewhere.url not in run.message


async def test_a_federation_that_waits_for_nodes_is_a_page_too(fake: FakeLocalAI) -> None:
    page = b"<html><body><h1>Sorry, waiting for nodes to connect</h1></body></html>"
    fake.dial.raw_answer = (503, "text/html", page)

    run = await validate(fake.url, "infer", LLM)

    assert run.code == "web_page_not_api"
    assert "federated balancer without nodes" in run.remedy


async def test_a_page_in_the_middle_of_inference_is_recognised(fake: FakeLocalAI) -> None:
    fake.dial.raw_answer = (200, "text/html", PAGE.encode())

    run = await validate(fake.url, "infer", [("text-embedding-ada-002", "text-embedding")])

    assert run.steps[-1] == ("infer", "web_page_not_api")
    assert "Sign in" in str(run.last.evidence["excerpt"])


async def test_json_that_is_no_list_of_models_is_not_taken_for_one(fake: FakeLocalAI) -> None:
    fake.dial.listing = {"status": "fine"}

    run = await validate(fake.url)

    assert run.code == "bad_response"


async def test_the_page_is_never_asked_for(fake: FakeLocalAI) -> None:
    await validate(fake.url, "infer", LLM)

    assert not any("html" in request.headers.get("accept", "") for request in fake.ledger)
