"""Ends of jobs share a commit: what is odd about one is no harm to the others."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from providers.jobs import claims, lines
from providers.jobs.settlement import Settlement, Spent, settle_all
from providers.models import Job, UsageRecord
from tenants.ids import new_id
from tests.providers.jobs.client import JobsClient

SPENT = Spent(usage={"prompt_tokens": 1, "completion_tokens": 1}, is_estimated=False, first_token_ms=1, total_ms=2)


@pytest.fixture
def claimed(acme_jobs: JobsClient) -> list[claims.Claimed]:
    for _ in range(2):
        acme_jobs.submit()
    return claims.claim({line.name: line.count for line in lines.waiting()}, owner="one")


def spent(**usage: Any) -> Spent:
    return dataclasses.replace(SPENT, usage=usage)


def test_a_job_that_is_gone_settles_as_lost(claimed: list[claims.Claimed]):
    gone = dataclasses.replace(claimed[0], id=new_id(), tenant_id=new_id())

    states = settle_all(
        [Settlement(gone, "failed", error={"message": "x"}, spent=SPENT), Settlement(claimed[1], "cancelled")]
    )

    assert states == ["", "cancelled"]


def test_words_that_no_database_takes_are_left_out(claimed: list[claims.Claimed]):
    error = {"code": "bad_response", "message": "a\x00b\ud800c"}

    assert settle_all([Settlement(claimed[0], "failed", error=error, spent=SPENT)]) == ["failed"]
    assert Job.unscoped.get(pk=claimed[0].id).error == {"code": "bad_response", "message": "ab?c"}


def test_an_absurd_count_is_kept_within_its_column(claimed: list[claims.Claimed]):
    absurd = spent(prompt_tokens=10**12, completion_tokens=5)

    assert settle_all([Settlement(claimed[0], "cancelled", spent=absurd)]) == ["cancelled"]
    record = UsageRecord.unscoped.get()
    assert (record.prompt_tokens, record.completion_tokens) == (2**31 - 1, 5)
    assert Job.unscoped.get(pk=claimed[0].id).usage["prompt_tokens"] == 10**12


def test_usage_says_whose_and_how_it_ended(claimed: list[claims.Claimed]):
    job = claimed[0]
    settle_all([Settlement(job, "failed", error={"code": "stalled", "message": "x"}, spent=SPENT)])

    record = UsageRecord.unscoped.get()
    row = Job.unscoped.get(pk=job.id)
    assert (record.tenant_id, record.job_id, record.api_key_id) == (row.tenant_id, row.pk, row.api_key_id)
    assert (record.provider_id, record.model_entry_id) == (row.provider_id, row.model_entry_id)
    assert (record.outcome, record.total_ms, record.is_estimated) == ("stalled", 2, False)
    assert record.created_at >= row.created_at
