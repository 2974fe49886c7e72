"""Jobs and rate limits: a submit counts as a request at once, its tokens when the job has used them."""

from __future__ import annotations

import httpx
import pytest

from tenants.rate_limits import RateLimits
from tests.factories import Team, bearer
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import HELLO, JobsClient
from tests.waiting import wait_for


def limited(web: str, team: Team, **figures: int) -> JobsClient:
    return JobsClient(web, team.slug, team.key_of(team.owner, rate_limits=RateLimits(**figures)))


def submit(client: JobsClient) -> httpx.Response:
    return client.post("/jobs", json=HELLO)


def test_submits_count_as_requests(web: str, team: Team):
    with limited(web, team, requests_per_minute=2) as client:
        answers = [submit(client) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[-1].json()["code"] == "rate_limit_exceeded"
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 30


@pytest.mark.usefixtures("worker")
def test_the_tokens_of_a_job_count_once_it_has_ended(web: str, team: Team, localai: FakeLocalAI):
    localai.dial.tokens, localai.dial.token_delay_seconds = ("word ",) * 60, 600.0
    with limited(web, team, tokens_per_minute=50) as client:
        waiting = [submit(client).json()["id"] for _ in range(3)]
        localai.dial.token_delay_seconds = 0.0  # none has ended before all were taken in
        for job_id in waiting:
            assert client.ended(job_id)["state"] == "succeeded"

        refused = wait_for(lambda: (answer := submit(client)).status_code == 429 and answer)

    assert "50 tokens a minute" in refused.json()["detail"]
    chat = {"model": HELLO["model"], **HELLO["input"]}
    assert httpx.post(f"{web}/v1/chat/completions", headers=bearer(team.key), json=chat, timeout=60).status_code == 200
