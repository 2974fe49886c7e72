"""The sweep comes by itself: as the scheduler's task every five seconds, and from each worker's own loop."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from providers import tasks
from providers.models import Job
from tests.providers.jobs.client import JobsClient
from tests.providers.jobs.test_lost_workers import claim_all
from tests.waiting import wait_for


def lose(job_id: str) -> None:
    claim_all()
    assert Job.unscoped.filter(pk=job_id, state="running").update(lease_until=timezone.now() - timedelta(seconds=1))


def test_the_schedulers_task_takes_lost_jobs_back(acme_jobs: JobsClient):
    [entry] = [entry for entry in settings.CELERY_BEAT_SCHEDULE.values() if entry["task"] == tasks.sweep.name]
    assert entry["schedule"] == settings.SWEEP_SECONDS == 5.0
    job_id = acme_jobs.submit()["id"]
    lose(job_id)

    tasks.sweep.apply()

    assert acme_jobs.job(job_id)["state"] == "queued"


def test_a_worker_takes_them_back_where_no_scheduler_runs(acme_jobs: JobsClient, request: pytest.FixtureRequest):
    job_id = acme_jobs.submit()["id"]
    lose(job_id)

    request.getfixturevalue("worker")

    assert wait_for(lambda: acme_jobs.job(job_id)["state"] == "succeeded")
