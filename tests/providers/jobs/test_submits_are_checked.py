"""What cannot run is refused at submit, with a problem that names the field."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from providers.jobs import pace
from providers.jobs.submission import STANDSTILL_SECONDS
from providers.models import Job, ModelEntry
from providers.redis import key, sync_redis
from tenants.models import Tenant
from tests.factories import PASSWORD, Team, make_team
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import HELLO, JobsClient


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def test_every_wrong_field_is_named(acme_jobs: JobsClient):
    body = problem(acme_jobs.post("/jobs", json={**HELLO, "webhook": "x", "priority": "urgent"}), 400)

    assert body["code"] == "unknown_field"
    assert [error["field"] for error in body["errors"]] == ["webhook", "priority"]
    assert Job.unscoped.count() == 0


@pytest.mark.parametrize("operation", ["audio.speech", "audio.transcriptions", "responses", "models.warm_up"])
def test_an_operation_that_is_not_built_is_not_available(acme_jobs: JobsClient, operation: str):
    body = problem(acme_jobs.post("/jobs", json={**HELLO, "operation": operation}), 400)

    assert body["code"] == "operation_not_available"


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b"[1]", 400, "invalid_request"),
        (b'{"operation": NaN}', 400, "malformed_json"),
        (b'{"metadata": {"a": "\\u0000"}}', 400, "invalid_request"),
        (b'{"input": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400, "malformed_json"),
        (b'{"operation": "chat.completions", "operation": "completions"}', 400, "malformed_json"),
    ],
    ids=["cut", "list", "nan", "nul", "deep", "twice"],
)
def test_a_body_that_is_no_good_json_is_refused(acme_jobs: JobsClient, raw: bytes, status: int, code: str):
    answer = acme_jobs.post("/jobs", content=raw, headers={"Content-Type": "application/json"})

    assert problem(answer, status)["code"] == code


def test_a_form_is_not_json(acme_jobs: JobsClient):
    assert problem(acme_jobs.post("/jobs", data={"model": "x"}), 415)["code"] == "unsupported_media_type"


def test_a_body_beyond_the_limit_is_too_large(acme_jobs: JobsClient, settings: Any):
    settings.GATEWAY_BODY_MAX_BYTES = 1000

    answer = acme_jobs.post("/jobs", json={**HELLO, "metadata": {"a": "x" * 2000}})

    assert problem(answer, 413)["code"] == "request_too_large"


def test_an_unknown_model_is_refused(acme_jobs: JobsClient):
    assert problem(acme_jobs.post("/jobs", json={**HELLO, "model": "nobody"}), 404)["code"] == "model_not_found"


def test_a_disabled_model_is_refused(acme_jobs: JobsClient, team: Team):
    ModelEntry.objects.for_tenant(team.id).update(enabled=False)

    assert problem(acme_jobs.post("/jobs", json=HELLO), 403)["code"] == "model_disabled"


def test_a_model_of_another_type_is_refused(acme_jobs: JobsClient):
    answer = acme_jobs.post("/jobs", json={**HELLO, "model": "text-embedding-ada-002"})

    assert problem(answer, 400)["code"] == "model_type_mismatch"


def test_without_a_default_a_job_must_name_its_model(acme_jobs: JobsClient):
    assert problem(acme_jobs.post("/jobs", json={**HELLO, "model": None}), 404)["code"] == "model_not_found"


def test_a_tenant_whose_queue_is_full_is_told_when_to_come_again(acme_jobs: JobsClient, settings: Any):
    settings.QUEUE_MAX_PER_TENANT = 2
    acme_jobs.submit()
    acme_jobs.submit()

    answer = acme_jobs.post("/jobs", json=HELLO)

    assert problem(answer, 429)["code"] == "queue_full"
    assert int(answer.headers["retry-after"]) == STANDSTILL_SECONDS

    span = int(time.time()) // pace.SPAN_SECONDS
    sync_redis().set(key("pace", "ends", Tenant.objects.get().pk, span), pace.SPANS * pace.SPAN_SECONDS // 5)

    answer = acme_jobs.post("/jobs", json=HELLO)

    assert int(answer.headers["retry-after"]) == 5, "one of its jobs ended each five seconds"


def test_a_submit_says_where_the_job_is_and_where_it_stands(acme_jobs: JobsClient):
    acme_jobs.submit()
    answer = acme_jobs.post("/jobs", json={**HELLO, "priority": "batch", "metadata": {"order": 7}})

    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/tenants/acme/jobs/{job['id']}"
    assert job["events_url"] == f"/api/v1/tenants/acme/jobs/{job['id']}/events"
    assert job["queue"] == {"position": 2, "eta_seconds": None}
    assert (job["state"], job["attempt"], job["result"], job["error"]) == ("queued", 0, None, None)
    assert job["metadata"] == {"order": 7}
    assert acme_jobs.job(job["id"]) == job


def test_a_stranger_gets_404_for_every_address_of_a_job(acme_jobs: JobsClient, web: str):
    globex = make_team("globex")
    job_id = acme_jobs.submit()["id"]

    with JobsClient(web, "acme", globex.key) as outside, JobsClient(web, "globex", globex.key) as inside:
        unknown = inside.get("/jobs/01a202f0-54e7-730e-99b1-e8544ba1e69c").json()
        asked = [
            outside.post("/jobs", json=HELLO),
            outside.get("/jobs"),
            outside.get("/queue"),
            *(
                client.request(method, f"/jobs/{job_id}{path}")
                for client in (outside, inside)
                for method, path in [
                    ("GET", ""),
                    ("DELETE", ""),
                    ("POST", "/cancel"),
                    ("GET", "/content"),
                    ("GET", "/events"),
                ]
            ),
        ]
    for answer in asked:
        assert {**problem(answer, 404), "request_id": None} == {**unknown, "request_id": None}
    assert acme_jobs.job(job_id)["state"] == "queued"


def test_a_key_without_the_scope_is_told_which_one(web: str, team: Team):
    with JobsClient(web, "acme", team.key_of(team.owner, ["jobs:read"])) as client:
        body = problem(client.post("/jobs", json=HELLO), 403)

    assert body["code"] == "insufficient_scope"
    assert "jobs:write" in body["hint"]


def test_a_key_for_some_models_does_not_know_the_others(web: str, team: Team):
    key = team.key_of(team.owner, allowed_models=frozenset({"text-embedding-ada-002"}))
    with JobsClient(web, "acme", key) as client:
        assert problem(client.post("/jobs", json=HELLO), 404)["code"] == "model_not_found"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer myd_live_wrong"}, {"X-Session-Token": "none"}])
def test_nobody_is_asked_for_a_credential(web: str, team: Team, headers: dict[str, str]):
    answer = httpx.post(f"{web}/api/v1/tenants/acme/jobs", json=HELLO, headers=headers, trust_env=False, timeout=60)

    assert problem(answer, 401)["code"] == "authentication_failed"
    assert "www-authenticate" in answer.headers


def test_a_person_with_a_cookie_needs_the_csrf_token(web: str, team: Team):
    from django.test import Client

    browser = Client()
    assert browser.login(email=team.owner.email, username=team.owner.email, password=PASSWORD)
    cookies = {"sessionid": browser.cookies["sessionid"].value, "csrftoken": "a" * 32}
    url = f"{web}/api/v1/tenants/acme/jobs"

    with httpx.Client(cookies=cookies, trust_env=False, timeout=60) as client:
        without = client.post(url, json=HELLO)
        foreign = client.post(url, json=HELLO, headers={"X-CSRFToken": "a" * 32, "Origin": "http://evil.example"})
        with_token = client.post(url, json=HELLO, headers={"X-CSRFToken": "a" * 32})

    assert problem(without, 403)["code"] == "csrf_failed"
    assert problem(foreign, 403)["code"] == "csrf_failed"
    assert with_token.status_code == 202


def test_a_submit_says_how_long_it_may_have_to_wait_once_jobs_have_ended_there(
    acme_jobs: JobsClient, localai: FakeLocalAI
):
    sync_redis().set(key("pace", localai.url.removeprefix("http://")), "12.0")  # seconds of a job there

    told = [acme_jobs.submit()["queue"] for _ in range(6)]

    assert told[4:] == [{"position": 5, "eta_seconds": 12}, {"position": 6, "eta_seconds": 12}]  # four at once
