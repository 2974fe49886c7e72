"""A worker's room is for calls: while ended ones wait for their rows the next begin, up to as many again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from django.db import connection, transaction

from providers import doorbell
from providers.models import UsageRecord
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import JobsClient
from tests.waiting import wait_for

CHAT = "/v1/chat/completions"


@pytest.fixture
def one_at_a_time(settings: Any) -> None:
    settings.WORKER_CONCURRENCY = 1


@contextmanager
def no_end_is_written() -> Iterator[None]:
    """Ends wait, and claims do not: usage is written with an end. SQLite's one writer would hold up both."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {UsageRecord._meta.db_table} IN EXCLUSIVE MODE")
        yield


@pytest.mark.usefixtures("one_at_a_time", "no_heartbeat", "worker")
def test_the_next_is_called_while_the_last_waits_for_its_row(
    acme_jobs: JobsClient, localai: FakeLocalAI, redis_here: str
):
    bells, client = doorbell.bell_list("jobs"), redis.Redis.from_url(redis_here)
    with no_end_is_written():
        ids = [acme_jobs.submit()["id"] for _ in range(4)]
        wait_for(lambda: len(localai.requests(CHAT)) >= 2)
        if connection.vendor == "postgresql":
            already = client.llen(bells)
            wait_for(lambda: client.llen(bells) > already)  # it has looked since, and left the bell to others
            assert [acme_jobs.job(job_id)["state"] for job_id in ids].count("queued") == 2
            assert len(localai.requests(CHAT)) == 2

    assert {acme_jobs.ended(job_id)["state"] for job_id in ids} == {"succeeded"}
    assert len(localai.requests(CHAT)) == 4
