"""The events of a job: recorded once, the same for every reader, resumed without loss or repeat."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import aiohttp
import httpx
import pytest
import redis

from providers.jobs.event_log import stream_key
from providers.stopping import stopping
from tests.factories import PASSWORD, Team
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import JobsClient, SentEvent, recorded, sent_events
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def ended(acme_jobs: JobsClient) -> tuple[str, list[SentEvent]]:
    """A job that has succeeded, and its events as the first reader saw them."""
    job_id = acme_jobs.submit()["id"]
    return job_id, acme_jobs.events(job_id)


def up_to_the_first_delta(stream: Iterator[SentEvent]) -> list[SentEvent]:
    seen = [next(stream)]
    while seen[-1].name != "delta":
        seen.append(next(stream))
    return seen


def test_a_reader_resumes_after_any_event(acme_jobs: JobsClient, ended: tuple[str, list[SentEvent]]):
    job_id, events = ended
    for place, event in enumerate(recorded(events)[:-1]):
        rest = acme_jobs.events(job_id, after=event.id)
        assert [each.raw for each in rest] == [each.raw for each in recorded(events)[place + 1 :]]


def test_the_query_does_as_well_and_the_header_wins(acme_jobs: JobsClient, ended: tuple[str, list[SentEvent]]):
    job_id, events = ended
    first, second = recorded(events)[0].id, recorded(events)[1].id

    by_query = acme_jobs.get(f"/jobs/{job_id}/events", params={"after": second})
    by_both = acme_jobs.get(f"/jobs/{job_id}/events", params={"after": first}, headers={"Last-Event-ID": str(second)})

    assert by_query.content == by_both.content
    assert f"id: {second}\n" not in by_query.text


def test_after_done_there_is_nothing_more(acme_jobs: JobsClient, ended: tuple[str, list[SentEvent]]):
    job_id, events = ended

    answer = acme_jobs.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": str(events[-1].id)})

    assert answer.status_code == 204


@pytest.mark.parametrize("cursor", ["x", "1-2", "1-2-x", "-1-1-1", "1-99-1", "1-0-1", "9" * 100])
def test_a_cursor_that_is_none_of_ours_is_refused(
    acme_jobs: JobsClient, ended: tuple[str, list[SentEvent]], cursor: str
):
    answer = acme_jobs.get(f"/jobs/{ended[0]}/events", params={"after": cursor})

    assert answer.status_code == 400
    assert answer.json()["code"] == "cursor_invalid"


def test_where_the_stream_is_gone_a_reader_gets_gap_and_done(
    acme_jobs: JobsClient, ended: tuple[str, list[SentEvent]], redis_here: str, settings: Any
):
    job_id, events = ended
    done = events[-1]
    age_by_ten_seconds(job_id)
    redis.Redis.from_url(redis_here).flushdb()

    for cursor in (None, events[2].id):
        rest = acme_jobs.events(job_id, after=cursor)
        assert [event.name for event in rest] == ["gap", "done"]
        assert (rest[0].id, rest[0].data) == (None, {})
        assert rest[1].raw.split(b"\ndata: ")[0] == done.raw.split(b"\ndata: ")[0]


def test_a_job_that_ended_before_it_ran_has_done_alone(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.hang = True
    for _ in range(4):
        acme_jobs.submit()
    job_id = acme_jobs.submit()["id"]
    acme_jobs.post(f"/jobs/{job_id}/cancel")

    events = acme_jobs.events(job_id)

    assert [event.name for event in events] == ["done"]
    assert events[0].data["state"] == "cancelled"


async def test_two_hundred_readers_at_random_cursors_read_the_same_bytes(
    acme_jobs: JobsClient, localai: FakeLocalAI, redis_here: str
):
    localai.dial.tokens = tuple(f" {number}" for number in range(150))
    localai.dial.token_delay_seconds = 0.02
    job_id = acme_jobs.submit()["id"]
    with acme_jobs.following(job_id) as stream:
        seen = [next(stream) for _ in range(20)]
        localai.dial.token_delay_seconds = 600.0  # the job goes on once all of them are there
        redis.Redis.from_url(redis_here).config_resetstat()
        cursors = [None, *(random.choice(seen).id for _ in range(199))]
        readings = await read_all(acme_jobs, job_id, cursors, localai)

    whole = [event.raw for event in readings[0]]
    ids = [event.id for event in readings[0]]
    for cursor, reading in zip(cursors, readings, strict=True):
        assert [event.raw for event in reading] == whole[ids.index(cursor) + 1 if cursor else 0 :]
    assert len(localai.requests("/v1/chat/completions")) == 1
    assert "cmdstat_xrange" not in redis.Redis.from_url(redis_here).info("commandstats"), "it was read for each reader"


async def read_all(
    client: JobsClient, job_id: str, cursors: list[str | None], localai: FakeLocalAI
) -> list[list[SentEvent]]:
    """What each of them reads; the model server says the rest when the last one has come."""
    url, headers = f"{client.base_url}jobs/{job_id}/events", {"Authorization": client.headers["Authorization"]}
    there = 0

    async def read(cursor: str | None) -> list[SentEvent]:
        sent = headers | ({"Last-Event-ID": cursor} if cursor else {})
        async with session.get(url, headers=sent) as answer:
            nonlocal there
            there += 1
            if there == len(cursors):
                localai.dial.token_delay_seconds = 0.0
            return recorded(list(sent_events(iter([await answer.read()]))))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        return await asyncio.gather(*map(read, cursors))


def test_a_silent_stream_is_kept_alive(acme_jobs: JobsClient, localai: FakeLocalAI, settings: Any):
    settings.KEEPALIVE_SECONDS = 0.1
    localai.dial.hang = True
    job_id = acme_jobs.submit()["id"]

    with acme_jobs.stream("GET", f"/jobs/{job_id}/events") as answer:
        pieces = answer.iter_raw()
        assert any(b"\n: " in b"\n" + next(pieces) for _ in range(10))


def test_the_events_outlast_the_deadline_and_then_the_end_by_an_hour(
    acme_jobs: JobsClient, localai: FakeLocalAI, redis_here: str, settings: Any
):
    client = redis.Redis.from_url(redis_here)
    localai.dial.token_delay_seconds = 600.0
    job_id = acme_jobs.submit(deadline_seconds=7200)["id"]
    wait_for(lambda: client.ttl(stream_key(UUID(job_id))) > 7200)

    localai.dial.token_delay_seconds = 0.0
    acme_jobs.ended(job_id)

    assert wait_for(lambda: client.ttl(stream_key(UUID(job_id))) <= settings.JOB_STREAM_SECONDS)


def test_leaving_cancels_nothing(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.token_delay_seconds = 600.0
    job_id = acme_jobs.submit()["id"]
    with acme_jobs.following(job_id) as stream:
        next(stream)
    localai.dial.token_delay_seconds = 0.0

    assert acme_jobs.ended(job_id)["state"] == "succeeded"


def test_a_stream_ends_when_the_web_process_is_stopped_and_goes_on_elsewhere(
    acme_jobs: JobsClient, localai: FakeLocalAI
):
    localai.dial.token_delay_seconds = 600.0
    job_id = acme_jobs.submit()["id"]
    with acme_jobs.following(job_id) as stream:
        seen = up_to_the_first_delta(stream)
        stopping.set()
        try:
            seen += stream
        finally:
            stopping.clear()
    localai.dial.token_delay_seconds = 0.0

    assert seen[-1].name == "delta"
    seen += acme_jobs.events(job_id, after=seen[-1].id)
    assert [event.raw for event in recorded(seen)] == [event.raw for event in recorded(acme_jobs.events(job_id))]


def test_a_person_reads_with_a_session_token_and_with_a_cookie(
    web: str, team: Team, ended: tuple[str, list[SentEvent]]
):
    from django.test import Client

    browser = Client()
    assert browser.login(email=team.owner.email, username=team.owner.email, password=PASSWORD)
    session = browser.cookies["sessionid"].value
    url = f"{web}/api/v1/tenants/acme/jobs/{ended[0]}/events"

    by_token = httpx.get(url, headers={"X-Session-Token": session}, trust_env=False, timeout=60)
    by_cookie = httpx.get(url, cookies={"sessionid": session}, trust_env=False, timeout=60)

    assert by_token.status_code == by_cookie.status_code == 200
    assert by_token.content == by_cookie.content
    assert by_token.content.endswith(ended[1][-1].raw + b"\n\n")


def age_by_ten_seconds(job_id: str) -> None:
    """As if the job had ended ten seconds earlier: its last entry is then no longer on its way."""
    from datetime import timedelta

    from django.db.models import F

    from providers.models import Job

    Job.unscoped.filter(pk=job_id).update(finished_at=F("finished_at") - timedelta(seconds=10))
