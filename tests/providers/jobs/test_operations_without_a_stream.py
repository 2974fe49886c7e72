"""Rerank, moderations and images as jobs: answered whole, checked at submit, and cancelled like all others."""

from typing import Any

import pytest

from providers.models import UsageRecord
from tests.factories import Team
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import JobsClient
from tests.providers.rows import add_model
from tests.waiting import wait_for

RERANK: dict[str, Any] = {
    "model": "ranker",
    "operation": "rerank",
    "input": {"query": "lost password", "documents": ["Settings", "Weather"], "top_n": 1},
}
MODERATE: dict[str, Any] = {"model": "judge", "operation": "moderations", "input": {"input": ["kill -9", "hello"]}}
DRAW: dict[str, Any] = {
    "model": "painter",
    "operation": "images.generations",
    "input": {"prompt": "A lighthouse at dusk", "size": "256x256"},
}


@pytest.fixture
def models(team: Team, localai: FakeLocalAI) -> None:
    from providers.models import Provider

    provider = Provider.objects.for_tenant(team.id).get()
    localai.add("bge", "rerank")
    localai.add("sd", "image")
    add_model(provider, "ranker", type="rerank", upstream_name="bge")
    add_model(provider, "judge", type="moderation", upstream_name="gpt-3.5-turbo")
    add_model(provider, "painter", type="image", upstream_name="sd")


@pytest.mark.usefixtures("worker", "models")
def test_each_ends_with_the_servers_answer_under_the_callers_name(acme_jobs: JobsClient, localai: FakeLocalAI):
    ranked, judged, drawn = (acme_jobs.ended(acme_jobs.submit(body)["id"]) for body in (RERANK, MODERATE, DRAW))

    assert [job["state"] for job in (ranked, judged, drawn)] == ["succeeded"] * 3
    assert [result["index"] for result in ranked["result"]["results"]] == [0]
    assert ranked["result"]["model"] == "ranker"
    assert ranked["usage"]["prompt_tokens"] == 9
    assert [result["flagged"] for result in judged["result"]["results"]] == [True, False]
    assert judged["result"]["model"] == "judge"
    assert "usage" not in judged["result"]
    assert judged["usage"]["prompt_tokens"] > 0
    assert drawn["result"]["data"][0]["b64_json"]
    assert localai.requests("/v1/images/generations")[0].json["response_format"] == "b64_json"
    assert [event.name for event in acme_jobs.events(drawn["id"])] == ["status", "done"]


@pytest.mark.usefixtures("models")
def test_what_cannot_run_is_refused_at_submit_with_the_fields_name(acme_jobs: JobsClient):
    wrong: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        (RERANK, {"query": ""}, "input.query"),
        (RERANK, {"documents": []}, "input.documents"),
        (RERANK, {"documents": [7]}, "input.documents"),
        (RERANK, {"top_n": 0}, "input.top_n"),
        (RERANK, {"stream": True}, "input.stream"),
        (MODERATE, {"input": " "}, "input.input"),
        (MODERATE, {"input": [""]}, "input.input"),
        (MODERATE, {"input": None}, "input.input"),
        (DRAW, {"prompt": 7}, "input.prompt"),
        (DRAW, {"n": 0}, "input.n"),
        (DRAW, {"response_format": "url"}, "input.response_format"),
    ]
    for body, changes, field in wrong:
        answer = acme_jobs.post("/jobs", json={**body, "input": {**body["input"], **changes}})

        assert answer.status_code == 400, (body, changes)
        assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.usefixtures("models")
def test_a_model_of_another_type_is_refused(acme_jobs: JobsClient):
    for body in (RERANK, MODERATE, DRAW):
        answer = acme_jobs.post("/jobs", json={**body, "model": "gpt-3.5-turbo"})

        assert (answer.status_code, answer.json()["code"]) == (400, "model_type_mismatch")


@pytest.mark.usefixtures("no_heartbeat", "worker", "models")
def test_cancelling_closes_the_upstream_without_waiting_for_a_heartbeat(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.hang = True
    for body, path in ((RERANK, "/v1/rerank"), (MODERATE, "/v1/moderations"), (DRAW, "/v1/images/generations")):
        job_id = acme_jobs.submit(body)["id"]
        call = wait_for(lambda path=path: next(iter(localai.requests(path)), None))

        assert acme_jobs.post(f"/jobs/{job_id}/cancel").status_code == 202

        wait_for(lambda call=call: call.aborted_at)
        assert acme_jobs.ended(job_id)["state"] == "cancelled"
    wait_for(lambda: UsageRecord.unscoped.filter(outcome="cancelled").count() == 3)


@pytest.mark.usefixtures("worker", "models")
def test_an_answer_that_is_none_ends_the_job_as_the_servers_fault(
    acme_jobs: JobsClient, localai: FakeLocalAI, settings
):
    settings.JOB_MAX_ATTEMPTS = 1
    localai.dial.images_by_url = localai.dial.rerank_out_of_range = True

    for body in (DRAW, RERANK):
        error = acme_jobs.ended(acme_jobs.submit(body)["id"])["error"]
        assert (error["code"], error["whose"]) == ("bad_response", "upstream")
