"""A job never goes on past its deadline, wherever it is by then."""

import pytest

from providers.jobs.sweep import sweep
from providers.models import Job
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import JobsClient
from tests.waiting import wait_for


def test_a_job_that_nobody_ran_expires(acme_jobs: JobsClient):
    job_id = acme_jobs.submit(deadline_seconds=1)["id"]

    wait_for(lambda: (sweep(), acme_jobs.job(job_id)["state"] == "expired")[1], seconds=5)

    job = acme_jobs.job(job_id)
    assert job["attempt"] == 0
    assert (job["error"]["code"], job["error"]["retryable"]) == ("deadline_exceeded", False)
    assert [event.name for event in acme_jobs.events(job_id)] == ["done"]


@pytest.mark.usefixtures("worker")
def test_a_running_job_expires_and_closes_the_upstream(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.hang = True
    job_id = acme_jobs.submit(deadline_seconds=1)["id"]

    job = acme_jobs.ended(job_id, seconds=5)

    assert (job["state"], job["attempt"]) == ("expired", 1)
    assert job["error"]["code"] == "deadline_exceeded"
    assert wait_for(lambda: localai.requests("/v1/chat/completions")[0].aborted_at)


@pytest.mark.usefixtures("worker")
def test_a_job_that_waits_for_a_loading_model_expires(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.fail, localai.dial.retry_after = "model_loading", "60"
    job_id = acme_jobs.submit(deadline_seconds=2)["id"]

    wait_for(lambda: Job.unscoped.filter(pk=job_id, run_after__isnull=False).exists())
    job = wait_for(lambda: (sweep(), (job := acme_jobs.job(job_id))["state"] == "expired" and job)[1], seconds=5)

    assert job["attempt"] == 1
