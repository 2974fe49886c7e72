"""POST /v1/rerank"""

import pytest

from tests.providers.gateway.conftest import error
from tests.providers.rows import add_model, make_default

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]

ASKED = {"query": "How do I change my password?", "documents": ["In the settings.", "It will rain.", "Ask the admin."]}


@pytest.fixture
def ranker(gateway):
    gateway.fake.add("bge-reranker", "rerank")
    return add_model(gateway.provider, "ranker", type="rerank", upstream_name="bge-reranker")


@pytest.fixture
def rank(gateway, ranker):
    return lambda **fields: gateway.post("rerank", {"model": "ranker", **ASKED, **fields})


def test_documents_are_ranked_and_the_call_is_counted(gateway, rank):
    response = rank(top_n=2)

    body = response.json()
    assert [result["index"] for result in body["results"]] == [0, 1]
    assert body["results"][0]["relevance_score"] == 0.9
    assert body["model"] == "ranker"
    assert response.headers["x-provider"] == str(gateway.provider.pk)
    used = gateway.used()
    assert (used.operation, used.prompt_tokens, used.is_estimated, used.outcome) == ("rerank", 9, False, "succeeded")


def test_all_that_was_written_reaches_the_server_and_only_the_model_is_renamed(gateway, rank):
    rank(top_n=1, return_documents=True, rerank_backend="x")

    sent = {**ASKED, "top_n": 1, "return_documents": True, "rerank_backend": "x", "model": "bge-reranker"}
    assert gateway.sent("/v1/rerank") == sent


def test_without_a_name_the_default_ranks(gateway, ranker):
    make_default(ranker)

    body = gateway.post("rerank", ASKED).json()

    assert body["model"] == "ranker"
    assert len(body["results"]) == 3


def test_what_no_server_could_rank_is_400(rank):
    for wrong in (
        {"query": None},
        {"query": ""},
        {"documents": None},
        {"documents": []},
        {"documents": "one"},
        {"documents": [7]},
        {"top_n": 0},
        {"top_n": "two"},
        {"top_n": True},
    ):
        response = rank(**wrong)

        assert error(response) == (400, "invalid_request"), wrong
        assert response.json()["error"]["param"] == next(iter(wrong))


def test_a_document_that_was_not_sent_is_no_answer(gateway, rank):
    gateway.fake.dial.rerank_out_of_range = True

    assert error(rank()) == (502, "provider_bad_response")


def test_a_model_of_another_type_does_not_rank(gateway, rank):
    assert error(rank(model="gpt-4")) == (400, "model_type_mismatch")
    assert error(gateway.post("embeddings", {"model": "ranker", "input": "x"})) == (400, "model_type_mismatch")
