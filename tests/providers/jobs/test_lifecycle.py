"""Whatever two workers, callers, an operator and the clock do, in whatever order: the rows are what the model says."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.factories import make_team
from tests.providers.jobs.lifecycle import LEASE_SECONDS, MINUTE, JobLife

# A failure is shown as it was found: making it smaller takes minutes, and only the long run takes them.
QUICK = (Phase.generate,)
ALWAYS = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture
def machine(committed: None, redis_here: str, monkeypatch: pytest.MonkeyPatch) -> type[JobLife]:
    """Committed, since a thread of its own writes usage."""
    for module in ("claims", "heartbeat"):
        monkeypatch.setattr(f"providers.jobs.{module}.LEASE_SECONDS", LEASE_SECONDS * MINUTE)
    JobLife.team = make_team("acme")
    return JobLife


def test_the_rows_follow_the_model(machine: type[JobLife]):
    short = settings(max_examples=30, stateful_step_count=40, phases=QUICK, **ALWAYS)
    run_state_machine_as_test(machine, settings=short)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_rows_follow_the_model_for_long(machine: type[JobLife]):
    run_state_machine_as_test(machine, settings=settings(max_examples=1000, stateful_step_count=80, **ALWAYS))
