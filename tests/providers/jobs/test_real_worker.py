"""A real worker process, killed and stopped while a job runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import JobsClient, text_of
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).resolve().parents[3]
CHAT = "/v1/chat/completions"
START_SECONDS = 90.0  # two processes come up beside whatever else runs
STOP_SECONDS = 90.0
OPTIONS = ["-P", "threads", "-c", "2", "-l", "warning", "--without-mingle", "--without-gossip"]


def database_url() -> str:
    """Of the test's own database."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))


@contextmanager
def celery_worker(tmp_path: Path, app: str = "config", **environment: Any) -> Iterator[subprocess.Popen[bytes]]:
    wanted = {
        "DATABASE_URL": database_url(),
        "REDIS_URL": settings.REDIS_URL,
        "EGRESS_ALLOW": "127.0.0.0/8",
        "STATE_DIR": str(tmp_path),
        **environment,
    }
    with (tmp_path / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", app, "worker", *OPTIONS],
            cwd=ROOT,
            env={**os.environ, **wanted},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def slow(localai: FakeLocalAI) -> FakeLocalAI:
    localai.dial.tokens = tuple(f" {number}" for number in range(100))
    localai.dial.token_delay_seconds = 600.0  # until the test lets it go on
    return localai


def test_a_job_of_a_killed_worker_is_run_again_by_the_next(acme_jobs: JobsClient, slow: FakeLocalAI, tmp_path: Path):
    job_id = acme_jobs.submit()["id"]
    with celery_worker(tmp_path) as first:
        with acme_jobs.following(job_id) as events:
            wait_for(lambda: next(events).name == "delta", seconds=START_SECONDS)
        first.send_signal(signal.SIGKILL)
        first.wait()
    slow.dial.token_delay_seconds = 0.0

    with celery_worker(tmp_path):
        job = acme_jobs.ended(job_id, seconds=START_SECONDS)

    assert (job["state"], job["attempt"]) == ("succeeded", 2)
    events = acme_jobs.events(job_id)
    assert [event.data for event in events if event.name == "restart"] == [{"attempt": 2}]
    assert text_of(events) == job["result"]["choices"][0]["message"]["content"]
    assert len(slow.requests(CHAT)) == 2


def test_a_stopped_worker_puts_its_job_back_and_it_costs_nothing(
    acme_jobs: JobsClient, slow: FakeLocalAI, tmp_path: Path
):
    from providers.models import Job

    job_id = acme_jobs.submit()["id"]
    with celery_worker(tmp_path, WORKER_DRAIN_SECONDS="0.5") as worker:
        wait_for(lambda: slow.requests(CHAT), seconds=START_SECONDS)
        acme_jobs.in_state(job_id, "running")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(STOP_SECONDS) == 0

    job = Job.unscoped.get(pk=job_id)
    assert (job.state, job.attempt, job.failures, job.crashes) == ("queued", 1, 0, 0)
    wait_for(lambda: slow.requests(CHAT)[0].aborted_at)


def test_a_stopped_worker_lets_a_short_job_end(acme_jobs: JobsClient, slow: FakeLocalAI, tmp_path: Path):
    job_id = acme_jobs.submit()["id"]
    with celery_worker(tmp_path) as worker:
        wait_for(lambda: slow.requests(CHAT), seconds=START_SECONDS)
        worker.send_signal(signal.SIGTERM)
        slow.dial.token_delay_seconds = 0.02  # two seconds from now on
        assert worker.wait(STOP_SECONDS) == 0

    assert acme_jobs.job(job_id)["state"] == "succeeded"


def test_a_worker_that_fails_while_it_closes_puts_its_job_back_as_well(
    acme_jobs: JobsClient, slow: FakeLocalAI, tmp_path: Path
):
    from providers.models import Job

    job_id = acme_jobs.submit()["id"]
    with celery_worker(tmp_path, app="tests.fakes.broken_closing", WORKER_DRAIN_SECONDS="0.5") as worker:
        wait_for(lambda: slow.requests(CHAT), seconds=START_SECONDS)
        acme_jobs.in_state(job_id, "running")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(STOP_SECONDS) != 0

    job = Job.unscoped.get(pk=job_id)
    assert (job.state, job.attempt, job.failures, job.crashes) == ("queued", 1, 0, 0)
