"""A provider's time limits hold for jobs as for calls: each ends the attempt with one of a job's codes."""

from __future__ import annotations

from typing import Any

import pytest

from providers.models import Provider
from providers.routing import invalidate
from tests.factories import Team
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.client import EMBED, HELLO, JobsClient

LIMITS = [
    ("first_token_timeout_seconds", HELLO, {"hang": True}, "first_token_timeout"),
    ("idle_timeout_seconds", HELLO, {"token_delay_seconds": 60.0}, "stalled"),
    ("total_timeout_seconds", HELLO, {"token_delay_seconds": 0.1, "tokens": (" x",) * 600}, "stalled"),
    ("total_timeout_seconds", EMBED, {"hang": True}, "stalled"),
]


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("limit", "order", "dial", "code"), LIMITS, ids=["first token", "idle", "total, streamed", "total, whole"]
)
def test_a_server_that_takes_too_long_ends_the_attempt(
    acme_jobs: JobsClient, team: Team, localai: FakeLocalAI, settings: Any, limit: str, order: Any, dial: Any, code: str
):
    settings.JOB_MAX_ATTEMPTS = 1
    acme_jobs.ended(acme_jobs.submit(order)["id"])  # it leaves a connection, so that no dial can use the time up
    Provider.unscoped.update(settings={"max_concurrency": 4, limit: 0.5})
    invalidate(team.id)
    for name, value in dial.items():
        setattr(localai.dial, name, value)

    job = acme_jobs.ended(acme_jobs.submit(order)["id"])

    assert (job["state"], job["error"]["code"]) == ("failed", code)
    assert (job["error"]["whose"], job["error"]["retryable"]) == ("upstream", True)
