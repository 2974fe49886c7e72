"""Jobs from a full process that died run two at a time or alone, and hold the others up for a minute at most."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from providers.job_slots import Room, Suspicion
from providers.jobs.suspects import PATIENCE_SECONDS, Quarantine

SUSPECT, COUNTED = Suspicion.SUSPECT, Suspicion.COUNTED


def running(count: int, *, suspect: bool = False, crashes: int = 0) -> list[Any]:
    return [SimpleNamespace(job=SimpleNamespace(is_suspect=suspect, crashes=crashes)) for _ in range(count)]


@pytest.fixture
def quarantine() -> Quarantine:
    return Quarantine()


def test_without_suspects_everybody_may_run(quarantine: Quarantine):
    assert quarantine.room(61, running(3), oldest_suspect=None) == Room(61)


def test_suspects_start_two_at_a_time(quarantine: Quarantine):
    assert quarantine.room(64, [], oldest_suspect=SUSPECT) == Room(suspect=2)
    assert quarantine.room(63, running(1, suspect=True), oldest_suspect=SUSPECT) == Room(suspect=1)
    assert quarantine.room(62, running(2, suspect=True), oldest_suspect=SUSPECT) == Room()


def test_beside_a_suspect_one_other_may_start(quarantine: Quarantine):
    assert quarantine.room(63, running(1, suspect=True), oldest_suspect=None) == Room(1)


def test_who_was_counted_in_a_crash_runs_alone(quarantine: Quarantine):
    assert quarantine.room(64, [], oldest_suspect=COUNTED) == Room(counted=1)
    assert quarantine.room(63, running(1, suspect=True, crashes=1), oldest_suspect=SUSPECT).any == 0
    assert quarantine.room(63, running(1, suspect=True, crashes=1), oldest_suspect=None).any == 0
    assert quarantine.room(63, running(1, suspect=True), oldest_suspect=COUNTED).any == 0, "it lets the work end first"


def test_where_no_suspect_can_start_the_others_may(quarantine: Quarantine):
    assert quarantine.room_beside(64, []) == Room(64)


def test_a_busy_process_lets_its_work_end_first_but_not_for_ever(
    quarantine: Quarantine, monkeypatch: pytest.MonkeyPatch
):
    assert quarantine.room(59, running(5), oldest_suspect=SUSPECT).any == 0

    monkeypatch.setattr("providers.jobs.suspects.PATIENCE_SECONDS", -PATIENCE_SECONDS)

    assert quarantine.room(59, running(5), oldest_suspect=SUSPECT) == Room(59, 59, 59)
