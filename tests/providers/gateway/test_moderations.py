"""POST /v1/moderations"""

import pytest

from tests.providers.gateway.conftest import error
from tests.providers.rows import add_model

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]


@pytest.fixture
def judge(gateway):
    add_model(gateway.provider, "judge", type="moderation", upstream_name="gpt-3.5-turbo")
    return lambda given, **fields: gateway.post("moderations", {"model": "judge", "input": given, **fields})


def test_each_text_is_judged_and_the_call_is_counted(gateway, judge):
    body = judge(["I will kill you", "Good morning"]).json()

    assert [result["flagged"] for result in body["results"]] == [True, False]
    assert body["results"][0]["categories"]["violence"] is True
    assert (body["id"].startswith("modr-"), body["model"]) == (True, "judge")
    assert "usage" not in body  # OpenAI's answer has none
    used = gateway.used()
    assert (used.operation, used.outcome, used.is_estimated) == ("moderations", "succeeded", True)
    assert used.prompt_tokens > 0


def test_all_that_was_written_reaches_the_server_and_only_the_model_is_renamed(gateway, judge):
    judge("Good morning", threshold=0.5)

    sent = {"model": "gpt-3.5-turbo", "input": "Good morning", "threshold": 0.5}
    assert gateway.sent("/v1/moderations") == sent


def test_nothing_to_judge_is_400(judge):
    for given in (None, "", [], [""], [7], 7, {}):
        assert error(judge(given)) == (400, "invalid_request"), given


def test_what_the_server_refuses_is_told_in_its_words(judge):
    response = judge([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}])

    assert error(response) == (400, "invalid_request")
    assert "array of text strings" in response.json()["error"]["message"]


def test_a_judgement_that_fell_short_is_the_servers_failure(gateway, judge):
    gateway.fake.dial.judges_badly = True

    assert error(judge("Good morning")) == (502, "provider_error")


def test_an_answer_that_flags_neither_way_is_no_answer(gateway, judge):
    gateway.fake.dial.raw_answer = (200, "application/json", b'{"id": "modr-1", "results": [{"categories": {}}]}')

    assert error(judge("Good morning")) == (502, "provider_bad_response")
