"""The row is the truth: with Redis away a submit is answered, and the job runs once somebody looks."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.providers.jobs.client import JobsClient


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """No port: another process may come to listen there."""
    return f"unix://{tmp_path}/nothing.sock"


def test_a_submit_is_answered_without_a_broker(acme_jobs: JobsClient, settings: Any, nowhere: str):
    settings.REDIS_URL = nowhere
    started_at = time.monotonic()

    job = acme_jobs.submit()

    assert job["state"] == "queued"
    assert time.monotonic() - started_at < 20
    assert acme_jobs.post(f"/jobs/{job['id']}/cancel").json()["state"] == "cancelled"


def test_a_job_runs_without_a_broker_and_its_reader_gets_gap_and_done(
    acme_jobs: JobsClient, settings: Any, nowhere: str, request: pytest.FixtureRequest
):
    settings.REDIS_URL = nowhere
    request.getfixturevalue("worker")

    job_id = acme_jobs.submit()["id"]

    assert acme_jobs.ended(job_id)["state"] == "succeeded"
    assert [event.name for event in acme_jobs.events(job_id) if event.id] == ["done"]


@pytest.mark.usefixtures("worker")
def test_a_job_whose_bell_was_lost_is_found(acme_jobs: JobsClient, settings: Any, redis_here: str, nowhere: str):
    settings.REDIS_URL = nowhere
    job_id = acme_jobs.submit()["id"]
    settings.REDIS_URL = redis_here

    assert acme_jobs.ended(job_id)["state"] == "succeeded"
