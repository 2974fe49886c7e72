"""A job's content: sealed wherever it lies, erased on request or when its time is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
from django.db import connection
from django.db.models import F

from providers.jobs.content import erase_old
from providers.jobs.event_log import END_NUMBER, stream_key
from providers.models import Job
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import HELLO, JobsClient
from tests.waiting import wait_for

CANARY = "marmot-7f3a91"
SECRET_CHAT: dict[str, Any] = {**HELLO, "input": {"messages": [{"role": "user", "content": CANARY}]}}


def everything_in(redis_url: str) -> bytes:
    client = redis.Redis.from_url(redis_url)
    parts = []
    for name in client.scan_iter():
        kind = client.type(name)
        parts += [name, repr(client.xrange(name) if kind == b"stream" else client.dump(name)).encode()]
    return b"\n".join(parts)


def has_its_end(redis_url: str, job_id: str) -> bool:
    """Whether the last event has come into the job's stream."""
    last: Any = redis.Redis.from_url(redis_url).xrevrange(stream_key(UUID(job_id)), count=1)
    return bool(last) and last[0][0].endswith(b"-%d" % END_NUMBER)


def every_row() -> bytes:
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            found += [value for row in cursor.fetchall() for value in row]
    return b"\n".join(bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in found)


@pytest.mark.usefixtures("worker")
def test_no_words_of_a_caller_lie_in_the_clear(acme_jobs: JobsClient, localai: FakeLocalAI, redis_here: str):
    localai.dial.tokens = ("marmot", "-7f3a91", " again")
    answer = acme_jobs.post("/jobs", json=SECRET_CHAT, headers={"Idempotency-Key": "k"})
    job = acme_jobs.ended(answer.json()["id"])
    assert CANARY in job["result"]["choices"][0]["message"]["content"]
    assert len(acme_jobs.events(job["id"])) > 2

    kept = everything_in(redis_here) + every_row()

    assert b"events" in kept
    assert CANARY.encode() not in kept
    assert b"marmot" not in kept


@pytest.mark.usefixtures("worker")
def test_erasing_takes_the_content_and_leaves_the_facts(acme_jobs: JobsClient, redis_here: str):
    job_id = acme_jobs.submit()["id"]
    before = acme_jobs.ended(job_id)
    wait_for(lambda: has_its_end(redis_here, job_id))  # which is written after the row

    assert acme_jobs.delete(f"/jobs/{job_id}", params={"dry_run": "true"}).json() == {"impact": {"jobs": 1}}
    assert acme_jobs.job(job_id)["result"] is not None
    assert acme_jobs.delete(f"/jobs/{job_id}").status_code == 204
    assert acme_jobs.delete(f"/jobs/{job_id}").status_code == 204

    after = acme_jobs.job(job_id)
    assert after["result"] is None
    assert after["content_erased_at"]
    assert after["usage"] == before["usage"]
    row = Job.unscoped.get(pk=job_id)
    assert (row.input, row.result) == (None, None)
    assert b":events" not in everything_in(redis_here)
    assert acme_jobs.get(f"/jobs/{job_id}/content").status_code == 404


@pytest.mark.usefixtures("worker")
def test_what_redis_kept_of_an_erased_job_is_shown_to_nobody(acme_jobs: JobsClient, redis_here: str):
    job_id = acme_jobs.submit()["id"]
    acme_jobs.ended(job_id)
    wait_for(lambda: has_its_end(redis_here, job_id))
    client: Any = redis.Redis.from_url(redis_here)
    kept = client.dump(stream_key(UUID(job_id)))
    acme_jobs.delete(f"/jobs/{job_id}")
    client.restore(stream_key(UUID(job_id)), 60_000, kept)  # as when Redis was away while the content was erased

    assert [event.name for event in acme_jobs.events(job_id)] == ["gap", "done"]


def test_a_job_that_has_not_ended_keeps_its_content(acme_jobs: JobsClient):
    job_id = acme_jobs.submit()["id"]

    answer = acme_jobs.delete(f"/jobs/{job_id}")

    assert answer.status_code == 409
    assert answer.json()["code"] == "job_not_finished"
    assert acme_jobs.get(f"/jobs/{job_id}/content").json()["code"] == "job_not_finished"


@pytest.mark.usefixtures("worker")
def test_the_content_of_a_job_is_its_result(acme_jobs: JobsClient):
    job_id = acme_jobs.submit()["id"]
    job = acme_jobs.ended(job_id)

    assert acme_jobs.get(f"/jobs/{job_id}/content").json() == job["result"]


@pytest.mark.usefixtures("worker")
def test_content_goes_after_its_days_and_facts_after_theirs(acme_jobs: JobsClient):
    job_id = acme_jobs.submit()["id"]
    acme_jobs.ended(job_id)
    row = Job.unscoped.filter(pk=job_id)

    row.update(finished_at=F("finished_at") - timedelta(days=6))
    assert erase_old() == 0
    row.update(finished_at=F("finished_at") - timedelta(days=2))
    assert erase_old() == 1
    assert acme_jobs.job(job_id)["result"] is None
    row.update(finished_at=F("finished_at") - timedelta(days=90))
    erase_old()
    assert acme_jobs.get(f"/jobs/{job_id}").status_code == 404
