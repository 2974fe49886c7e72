"""A dead job is started anew by an operator: a new job with the same order, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from providers.errors import Conflict
from providers.jobs.content import erase
from providers.jobs.redrive import redrive
from providers.models import Job
from tenants.actors import SYSTEM
from tenants.models import AuditEvent
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import HELLO, JobsClient
from tests.providers.jobs.test_lost_workers import claim_all, lose_all


@pytest.fixture
def dead(acme_jobs: JobsClient) -> Job:
    job_id = acme_jobs.submit(priority="batch", deadline_seconds=7200, metadata={"who": "acme"})["id"]
    for _ in range(3):
        claim_all()
        lose_all()
    return Job.unscoped.get(pk=job_id, state="dead")


def test_the_same_order_runs_as_a_new_job_and_the_dead_one_stays(
    acme_jobs: JobsClient, dead: Job, worker: None, localai: FakeLocalAI
):
    before = acme_jobs.job(str(dead.pk))

    anew = redrive(dead, by=SYSTEM)

    ended = acme_jobs.ended(str(anew.pk))
    assert (ended["state"], ended["attempt"], ended["redrive_of"]) == ("succeeded", 1, str(dead.pk))
    assert (ended["metadata"], ended["error"]) == ({"who": "acme"}, None)
    assert localai.requests("/v1/chat/completions")[-1].json["messages"] == HELLO["input"]["messages"]
    assert acme_jobs.job(str(dead.pk)) == before
    event = AuditEvent.unscoped.get(action="job.redriven")
    assert (event.object_id, event.detail["new_job"]) == (dead.pk, str(anew.pk))


def test_it_starts_with_clean_counts_and_the_time_that_the_dead_one_had(dead: Job):
    anew = redrive(dead, by=SYSTEM)

    assert (anew.crashes, anew.failures, anew.attempt, anew.is_suspect) == (0, 0, 0, False)
    assert (anew.priority, anew.restart, anew.actor_label) == (dead.priority, dead.restart, dead.actor_label)
    assert (anew.deadline_at - anew.created_at) - (dead.deadline_at - dead.created_at) == timedelta(0)


def test_a_job_is_started_anew_once(dead: Job):
    redrive(dead, by=SYSTEM)

    assert refusal(lambda: redrive(dead, by=SYSTEM)) == "job_redriven"
    assert Job.unscoped.filter(redrive_of=dead.pk).count() == 1


def test_what_is_not_dead_or_has_no_content_is_not_started_anew(acme_jobs: JobsClient, dead: Job):
    queued = Job.unscoped.get(pk=acme_jobs.submit()["id"])
    erase(dead, by=SYSTEM)

    assert refusal(lambda: redrive(queued, by=SYSTEM)) == "job_not_dead"
    assert refusal(lambda: redrive(dead, by=SYSTEM)) == "job_content_gone"
    assert not AuditEvent.unscoped.filter(action="job.redriven").exists()


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Conflict) as refused:
        act()
    return refused.value.code
