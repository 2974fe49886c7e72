"""A hint says "look again": whatever it says, the row decides."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from providers import doorbell
from providers.jobs.owner import this_process
from tests.fakes.http_server import Received
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import JobsClient
from tests.waiting import wait_for

CHAT = "/v1/chat/completions"
NONSENSE = ("cancel:no-id", "cancel:", "", "\x00", b"\xff\xfe", "cancel:00000000-0000-7000-8000-000000000000")


@pytest.fixture
def own_list(redis_here: str) -> Any:
    """`push(word…)` onto the list of this process's worker; returns when it has taken them."""
    client = redis.Redis.from_url(redis_here)
    name = doorbell.bell_list(f"{doorbell.JOBS}/{this_process()}")

    def push(*words: str | bytes) -> None:
        client.rpush(name, *words)
        wait_for(lambda: client.llen(name) == 0)

    return push


def hung(acme_jobs: JobsClient, localai: FakeLocalAI) -> tuple[str, Received]:
    localai.dial.hang = True
    job_id = acme_jobs.submit()["id"]
    call = wait_for(lambda: next((call for call in localai.requests(CHAT) if call.hangs), None))
    localai.dial.hang = False
    return job_id, call


@pytest.mark.usefixtures("worker")
def test_a_worker_that_was_told_nonsense_hears_on_and_a_forged_cancel_ends_nothing(
    acme_jobs: JobsClient, localai: FakeLocalAI, own_list: Any
):
    job_id, call = hung(acme_jobs, localai)

    for word in NONSENSE:
        own_list(word)  # one by one: each must leave somebody who takes the next
    own_list(f"cancel:{job_id}")
    assert acme_jobs.ended(acme_jobs.submit()["id"])["state"] == "succeeded"  # whatever it did, it has done by now

    assert (acme_jobs.job(job_id)["state"], call.aborted_at) == ("running", None)
    acme_jobs.post(f"/jobs/{job_id}/cancel")
    assert acme_jobs.ended(job_id)["state"] == "cancelled"
