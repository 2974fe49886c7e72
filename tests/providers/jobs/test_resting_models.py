"""A model that rests after failures costs the jobs that wait for it nothing but the wait."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import EMBED, JobsClient

pytestmark = pytest.mark.usefixtures("worker")

CHAT = "/v1/chat/completions"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """The figures of the backoff and the breaker, not their rules."""
    monkeypatch.setattr("providers.jobs.retries.FIRST_DELAY_SECONDS", 0.05)
    settings.BREAKER_FAULTS, settings.BREAKER_FIRST_SECONDS = 3, 1.0


def test_jobs_wait_a_rest_out_without_an_attempt(acme_jobs: JobsClient, localai: FakeLocalAI):
    localai.dial.fail = "backend_eof"
    assert acme_jobs.ended(acme_jobs.submit()["id"])["state"] == "failed"
    localai.dial.fail = None

    waiting = [acme_jobs.submit()["id"] for _ in range(3)]
    meanwhile = acme_jobs.ended(acme_jobs.submit(EMBED)["id"])

    assert meanwhile["state"] == "succeeded"
    assert len(localai.requests(CHAT)) == 3
    assert [acme_jobs.job(id)["state"] for id in waiting] == ["queued"] * 3
    ended = [acme_jobs.ended(id) for id in waiting]
    assert [(job["state"], job["attempt"]) for job in ended] == [("succeeded", 1)] * 3
    assert [e.data["state"] for e in acme_jobs.events(waiting[0]) if e.name == "status" and e.id] == ["running"]
