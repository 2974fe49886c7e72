"""Several workers beside each other: each job runs once, and a full one leaves the bell to the others."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
import redis

from providers import doorbell
from providers.jobs import claims, lines
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import JobsClient
from tests.waiting import wait_for

CHAT = "/v1/chat/completions"


@pytest.fixture
def one_at_a_time(settings: Any) -> None:
    settings.WORKER_CONCURRENCY = 1


@pytest.mark.usefixtures("one_at_a_time", "worker")
def test_a_full_worker_leaves_the_bell_to_the_others(acme_jobs: JobsClient, localai: FakeLocalAI, redis_here: str):
    localai.dial.hang = True
    acme_jobs.submit()
    wait_for(lambda: localai.requests(CHAT))
    bells = doorbell.bell_list("jobs")

    acme_jobs.submit()

    client = redis.Redis.from_url(redis_here)
    assert wait_for(lambda: client.llen(bells) >= 1)  # on each of its ticks it rings once more


@pytest.mark.usefixtures("one_at_a_time", "worker")
def test_what_does_not_fit_runs_one_after_the_other(acme_jobs: JobsClient, localai: FakeLocalAI):
    ids = [acme_jobs.submit()["id"] for _ in range(5)]

    assert {acme_jobs.ended(job_id)["state"] for job_id in ids} == {"succeeded"}
    calls = localai.requests(CHAT)
    assert all(one.ended_at <= other.started_at for one, other in pairwise(calls))


def test_each_job_is_claimed_by_one_of_many(acme_jobs: JobsClient):
    for _ in range(6):
        acme_jobs.submit()
    seen = [lines.waiting() for _ in range(3)]

    taken = Counter(
        job.id
        for number, [line] in enumerate(seen)
        for job in claims.claim({line.name: number + 1}, owner=f"worker {number}")
    )

    assert set(taken.values()) == {1}
    assert len(taken) == 6
