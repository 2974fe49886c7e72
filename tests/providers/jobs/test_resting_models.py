"""A model that rests after failures costs the jobs that wait for it nothing but the wait."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db.models.functions import Now

from providers.breakers import board
from providers.models import Job
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import EMBED, TERMINAL, JobsClient
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("worker")

CHAT = "/v1/chat/completions"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """The figures of the backoff and the breaker, not their rules."""
    monkeypatch.setattr("providers.jobs.retries.FIRST_DELAY_SECONDS", 0.05)
    settings.BREAKER_FAULTS = 3
    settings.BREAKER_FIRST_SECONDS = settings.BREAKER_MOST_SECONDS = 600.0  # until the test says that they are over


def let_the_rest_pass() -> None:
    for breaker in list(board._breakers.values()):
        if breaker.until is not None:
            breaker.until = time.time()
    Job.unscoped.filter(state="queued", run_after__gt=Now()).update(run_after=Now())


def test_jobs_wait_a_rest_out_without_an_attempt(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.fail = "backend_eof"
    assert acme_jobs.ended(acme_jobs.submit()["id"])["state"] == "failed"
    localai.dial.fail = None

    waiting = [acme_jobs.submit()["id"] for _ in range(3)]
    meanwhile = acme_jobs.ended(acme_jobs.submit(EMBED)["id"])

    assert meanwhile["state"] == "succeeded"
    assert len(localai.requests(CHAT)) == 3
    assert [acme_jobs.job(id)["state"] for id in waiting] == ["queued"] * 3
    ended = wait_for(lambda: (let_the_rest_pass(), all_ended(acme_jobs, waiting))[1])  # its word may come late
    assert [(job["state"], job["attempt"]) for job in ended] == [("succeeded", 1)] * 3
    assert [e.data["state"] for e in acme_jobs.events(waiting[0]) if e.name == "status" and e.id] == ["running"]


def all_ended(jobs: JobsClient, ids: list[str]) -> list[dict[str, Any]]:
    found = [jobs.job(id) for id in ids]
    return found if all(job["state"] in TERMINAL for job in found) else []
