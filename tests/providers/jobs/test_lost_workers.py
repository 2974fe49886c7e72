"""Jobs whose process is gone: taken back, counted where it tells something, ended as they asked for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from providers import usage
from providers.jobs import claims, lines, owner
from providers.jobs.settlement import note_first_token
from providers.jobs.sweep import sweep
from providers.models import Job, UsageRecord
from tests.providers.jobs.client import JobsClient


def claim_all(name: str = "gone.1/1/1") -> list[claims.Claimed]:
    return claims.claim({line.name: line.count for line in lines.waiting()}, owner=name)


def lose_all() -> None:
    Job.unscoped.filter(state="running").update(lease_until=timezone.now() - timedelta(seconds=1))
    sweep()


def _outcomes() -> list[str]:
    """Of all calls that were metered."""
    usage.flush()
    return list(UsageRecord.unscoped.values_list("outcome", flat=True))


def test_three_crashes_of_a_process_with_at_most_two_jobs_are_the_end(acme_jobs: JobsClient):
    job_id = acme_jobs.submit()["id"]
    for _ in range(3):
        assert acme_jobs.job(job_id)["state"] == "queued"
        assert len(claim_all()) == 1
        lose_all()

    job = acme_jobs.job(job_id)
    assert (job["state"], job["attempt"]) == ("dead", 3)
    assert (job["error"]["code"], job["error"]["whose"]) == ("worker_lost", "platform")
    assert acme_jobs.events(job_id)[-1].data["state"] == "dead"
    assert _outcomes() == ["worker_lost"]


def test_a_crash_of_a_fuller_process_counts_against_nobody(acme_jobs: JobsClient):
    ids = [acme_jobs.submit()["id"] for _ in range(3)]
    for _ in range(4):
        assert len(claim_all()) == 3
        lose_all()

    assert {acme_jobs.job(job_id)["state"] for job_id in ids} == {"queued"}
    assert {job.crashes for job in Job.unscoped.all()} == {0}
    assert {job.is_suspect for job in Job.unscoped.all()} == {True}


def test_a_job_that_may_not_restart_fails_when_a_token_was_shown(acme_jobs: JobsClient):
    job_id = acme_jobs.submit(restart="before_first_token")["id"]
    [job] = claim_all()
    assert note_first_token(job)
    lose_all()

    ended = acme_jobs.job(job_id)
    assert ended["state"] == "failed"
    assert (ended["error"]["code"], ended["error"]["retryable"]) == ("worker_lost", True)
    assert _outcomes() == ["worker_lost"]


def test_a_job_that_may_not_restart_does_so_when_none_was_shown(acme_jobs: JobsClient):
    job_id = acme_jobs.submit(restart="before_first_token")["id"]
    claim_all()
    lose_all()

    assert acme_jobs.job(job_id)["state"] == "queued"


def test_a_cancelled_job_of_a_dead_worker_is_cancelled(acme_jobs: JobsClient):
    job_id = acme_jobs.submit()["id"]
    claim_all()
    assert acme_jobs.post(f"/jobs/{job_id}/cancel").status_code == 202
    lose_all()

    assert acme_jobs.job(job_id)["state"] == "cancelled"


def test_a_gone_process_of_this_machine_is_found_before_its_lease_ends(acme_jobs: JobsClient):
    job_id = acme_jobs.submit()["id"]
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = owner._name_of(child.pid)
    assert len(claim_all(name)) == 1
    sweep()
    assert acme_jobs.job(job_id)["state"] == "running"

    child.kill()
    child.wait()
    sweep()

    assert acme_jobs.job(job_id)["state"] == "queued"


@pytest.mark.parametrize(
    "name",
    ["", "nonsense", f"{socket.gethostname()}.other-namespace/1/1", "other-host.1/1/1", owner.this_process()],
    ids=["empty", "malformed", "other-namespace", "other-host", "this-process"],
)
def test_only_what_is_certain_is_called_gone(name: str):
    assert not owner.is_gone(name)


def test_a_later_process_with_the_same_number_is_another():
    machine = owner.this_process().partition("/")[0]
    assert owner.is_gone(f"{machine}/{os.getpid()}/1")
