"""Which state may follow which: the table and the database agree, and an ended job never changes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from providers.jobs.transitions import ALLOWED, NotAllowed, check, take_away
from providers.models import Job
from tests.factories import Team

STATES = list(Job.State.values)


def make_job(team: Team, state: str) -> Job:
    now = timezone.now()
    job = Job(
        tenant_id=team.id,
        model_name="m",
        operation="chat.completions",
        endpoint="e",
        state=state,
        deadline_at=now + timedelta(hours=1),
        finished_at=now if state in Job.TERMINAL else None,
    )
    job.save()
    return job


@pytest.mark.parametrize("to_state", STATES)
@pytest.mark.parametrize("from_state", STATES)
def test_a_job_moves_only_as_the_table_says(acme: Team, from_state: str, to_state: str):
    job = make_job(acme, from_state)
    if to_state not in ALLOWED[from_state]:
        with pytest.raises(NotAllowed):
            take_away(job, to_state, expected=from_state)
    else:
        assert take_away(job, to_state, expected=from_state)
        assert (job.state, job.lease_token) == (to_state, 1)
        assert (job.finished_at is not None) == (to_state in Job.TERMINAL)


@pytest.mark.parametrize("state", Job.TERMINAL)
def test_nothing_follows_the_end(state: str):
    assert ALLOWED[state] == frozenset()
    with pytest.raises(NotAllowed):
        check(state, "queued")


def test_of_two_who_read_the_same_row_one_moves_it(acme: Team):
    make_job(acme, "queued")
    one, other = Job.unscoped.get(), Job.unscoped.get()

    assert take_away(one, "cancelled", expected="queued")
    assert not take_away(other, "expired", expected="queued")
    assert Job.unscoped.get().state == "cancelled"


def test_the_database_refuses_an_end_without_its_time(acme: Team):
    job = make_job(acme, "queued")

    with pytest.raises(IntegrityError), transaction.atomic():
        Job.unscoped.filter(pk=job.pk).update(state="succeeded")
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.unscoped.filter(pk=job.pk).update(state="lost")


@pytest.mark.parametrize("state", Job.TERMINAL)
def test_the_database_refuses_to_change_an_end(acme: Team, state: str):
    job = make_job(acme, state)

    for other in set(STATES) - {state}:
        finished_at = job.finished_at if other in Job.TERMINAL else None
        with pytest.raises(IntegrityError), transaction.atomic():
            Job.unscoped.filter(pk=job.pk).update(state=other, finished_at=finished_at)

    Job.unscoped.filter(pk=job.pk).update(state=state, content_erased_at=timezone.now())
