"""What changes many jobs at once takes their rows by ascending id, so that no two of them wait for each other."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from providers.jobs import claims, heartbeat, lines
from providers.jobs.settlement import Settlement, settle_all
from providers.models import Job
from tests.providers.jobs.client import JobsClient
from tests.waiting import wait_for

OWNER = "elsewhere.1/4711/1"


@pytest.fixture
def claimed(acme_jobs: JobsClient) -> list[claims.Claimed]:
    for _ in range(3):
        acme_jobs.submit()
    [line] = lines.waiting()
    return claims.claim({line.name: 3}, owner=OWNER)


def beat(jobs: list[claims.Claimed]) -> None:
    heartbeat.beat([job.id for job in jobs], owner=OWNER)


def settle(jobs: list[claims.Claimed]) -> None:
    settle_all([Settlement(job, "queued") for job in jobs])


@pytest.mark.parametrize("act", [beat, settle])
def test_rows_are_locked_oldest_first_whatever_order_they_were_named_in(
    claimed: list[claims.Claimed], act: Callable[[list[claims.Claimed]], None]
):
    *_, last = claimed
    with transaction.atomic():
        Job.unscoped.select_for_update().get(pk=last.id)
        acting = in_a_thread(lambda: act(claimed[::-1]))
        if connection.vendor == "postgresql":  # SQLite has one writer at a time
            wait_for(lambda: not free_rows())
    acting.join(60)

    assert not acting.is_alive()


def free_rows() -> set[object]:
    """Which rows nobody has locked but we: seen by a connection of its own."""
    found: set[object] = set()

    def look() -> None:
        with transaction.atomic():
            found.update(Job.unscoped.select_for_update(skip_locked=True).values_list("pk", flat=True))

    in_a_thread(look).join(60)
    return found


def in_a_thread(act: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
