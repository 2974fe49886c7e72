"""Cancelling: what waits ends at once, what runs is cut off by a word to its worker, what has ended stays."""

import pytest

from providers.models import UsageRecord
from tenants.models import AuditEvent
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import JobsClient
from tests.waiting import wait_for


def test_a_queued_job_ends_at_once(acme_jobs: JobsClient):
    job_id = acme_jobs.submit()["id"]

    answer = acme_jobs.post(f"/jobs/{job_id}/cancel")

    assert answer.status_code == 200
    assert answer.json()["state"] == "cancelled"
    assert answer.json()["error"] is None
    assert answer.json()["finished_at"]
    assert AuditEvent.unscoped.get(action="job.cancelled").object_id.hex == job_id.replace("-", "")


@pytest.mark.usefixtures("no_heartbeat", "worker")
def test_cancelling_a_running_job_closes_the_upstream_without_waiting_for_a_heartbeat(
    acme_jobs: JobsClient, localai: FakeLocalAI
):
    localai.dial.token_delay_seconds = 60
    localai.dial.role_chunks_early = True
    job_id = acme_jobs.submit()["id"]
    call = wait_for(lambda: next(iter(localai.requests("/v1/chat/completions")), None))
    acme_jobs.in_state(job_id, "running")

    answer = acme_jobs.post(f"/jobs/{job_id}/cancel")

    assert answer.status_code == 202
    assert answer.json()["cancel_requested_at"]
    wait_for(lambda: call.aborted_at)
    ended = acme_jobs.ended(job_id)
    assert (ended["state"], ended["error"], ended["result"]) == ("cancelled", None, None)
    assert [event.name for event in acme_jobs.events(job_id)][-1] == "done"


@pytest.mark.usefixtures("worker")
def test_an_ended_job_stays_as_it_is(acme_jobs: JobsClient):
    job_id = acme_jobs.submit()["id"]
    ended = acme_jobs.ended(job_id)

    answer = acme_jobs.post(f"/jobs/{job_id}/cancel")

    assert answer.status_code == 200
    assert answer.json() == ended
    assert AuditEvent.unscoped.filter(action="job.cancelled").count() == 0


@pytest.mark.usefixtures("worker")
def test_the_slot_of_a_cancelled_job_is_free_for_the_next(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.hang = True
    first = [acme_jobs.submit()["id"] for _ in range(4)]
    wait_for(lambda: sum(call.hangs for call in localai.requests("/v1/chat/completions")) == 4)
    localai.dial.hang = False
    waiting = acme_jobs.submit()["id"]
    assert acme_jobs.job(waiting)["queue"] == {"position": 1, "eta_seconds": None}

    acme_jobs.post(f"/jobs/{first[0]}/cancel")

    assert acme_jobs.ended(waiting)["state"] == "succeeded"
    wait_for(lambda: UsageRecord.unscoped.filter(outcome="cancelled").exists())


def test_a_body_with_fields_is_refused(acme_jobs: JobsClient):
    job_id = acme_jobs.submit()["id"]

    answer = acme_jobs.post(f"/jobs/{job_id}/cancel", json={"now": True})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "now"
