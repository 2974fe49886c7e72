"""A job never goes on past its deadline, wherever it is by then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db.models.functions import Now

from providers import worker_loop
from providers.jobs.sweep import sweep
from providers.models import Job
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import JobsClient
from tests.waiting import wait_for

HOUR_SECONDS = 3600


class Deadlines:
    """`asyncio` as attempts see it. Their deadlines come when the test says so, and not while it gets ready."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._timeouts: list[asyncio.Timeout] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    def timeout(self, seconds: float) -> asyncio.Timeout:
        self.seconds.append(seconds)
        self._timeouts.append(asyncio.timeout(seconds))
        return self._timeouts[-1]

    def come(self) -> None:
        for each in self._timeouts:
            worker_loop.call_soon(each.reschedule, 0.0)


@pytest.fixture
def deadlines(monkeypatch: pytest.MonkeyPatch) -> Deadlines:
    found = Deadlines()
    monkeypatch.setattr("providers.jobs.attempt.asyncio", found)
    return found


def test_a_job_that_nobody_ran_expires(acme_jobs: JobsClient):
    job_id = acme_jobs.submit(deadline_seconds=1)["id"]

    wait_for(lambda: (sweep(), acme_jobs.job(job_id)["state"] == "expired")[1])

    job = acme_jobs.job(job_id)
    assert job["attempt"] == 0
    assert (job["error"]["code"], job["error"]["retryable"]) == ("deadline_exceeded", False)
    assert [event.name for event in acme_jobs.events(job_id)] == ["done"]


@pytest.mark.usefixtures("worker")
def test_a_running_job_expires_and_closes_the_upstream(
    acme_jobs: JobsClient, localai: FakeLocalAI, deadlines: Deadlines
):
    localai.dial.hang = True
    job_id = acme_jobs.submit(deadline_seconds=HOUR_SECONDS)["id"]
    call = wait_for(lambda: next(iter(localai.requests("/v1/chat/completions")), None))
    assert HOUR_SECONDS - 120 < deadlines.seconds[0] <= HOUR_SECONDS, "an attempt has what is left"

    deadlines.come()

    job = acme_jobs.ended(job_id)
    assert (job["state"], job["attempt"]) == ("expired", 1)
    assert job["error"]["code"] == "deadline_exceeded"
    assert wait_for(lambda: call.aborted_at)


@pytest.mark.usefixtures("worker")
def test_a_job_that_waits_for_a_loading_model_expires(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.fail, localai.dial.retry_after = "model_loading", "600"
    job_id = acme_jobs.submit()["id"]
    row = Job.unscoped.filter(pk=job_id)
    wait_for(lambda: row.filter(run_after__isnull=False).exists())

    row.update(deadline_at=Now())

    job = wait_for(lambda: (sweep(), (job := acme_jobs.job(job_id))["state"] == "expired" and job)[1])
    assert job["attempt"] == 1
