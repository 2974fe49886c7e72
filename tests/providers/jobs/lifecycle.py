"""The life of jobs as a state machine: any order of submits, claims, beats, pauses, ends, cancels, sweeps and redrives,
by two workers, on a clock that only the machine moves. After every step the rows are what the model says.

The clock is the database's; so time passes by moving every time in the rows into the past, and what really passed
meanwhile is put back. Its second is a minute of the database: what the machine takes within one step, even where it
stands still for a while, is then nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from django.db.models import F
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from providers import usage
from providers.errors import Conflict
from providers.jobs import claims, heartbeat, lines, sweep
from providers.jobs.cancellation import cancel
from providers.jobs.content import erase
from providers.jobs.heartbeat import Pulse
from providers.jobs.new_job import NewJob
from providers.jobs.redrive import redrive
from providers.jobs.settlement import Settlement, Spent, note_first_token, settle_all
from providers.jobs.submission import Accepted, Draft, Intake
from providers.models import Job, UsageRecord
from tenants.actors import SYSTEM
from tenants.ids import new_id
from tests.factories import Team

WORKERS: Final = ("elsewhere/1/1", "elsewhere/2/1")
TERMINAL: Final = frozenset(Job.TERMINAL)
CRASHES, FULL = 3, 2
MINUTE: Final = 60  # of the database: a second of the model
LEASE_SECONDS: Final = claims.LEASE_SECONDS
# Odd against even: no two moments of the model are ever nearer than a second.
TICKS: Final = (2, 6, 16, 16, 200, 4000)
DEADLINES: Final = (101, 3601)
DELAYS: Final = (0, 5)
OUTCOMES: Final = ("succeeded", "failed", "cancelled", "expired", "queued", "queued")
RESTARTS: Final = ("always", "before_first_token")
TIMES: Final = ("lease_until", "run_after", "deadline_at", "created_at")


@dataclass
class Model:
    """What a row must say. Times are those of the machine's clock, in seconds."""

    id: UUID
    restart: str
    deadline_at: int
    state: str = "queued"
    token: int = 0
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    is_suspect: bool = False
    owner: str = ""
    lease_until: int = 0
    run_after: int = 0
    first_token: bool = False
    cancel_requested: bool = False
    is_erased: bool = False
    redriven: bool = False
    usages: int = 0
    ends: list[str] = field(default_factory=list)

    def leave(self, state: str, *, raises_token: bool) -> None:
        self.state, self.owner, self.lease_until = state, "", 0
        self.token += raises_token
        if state in TERMINAL:
            self.ends.append(state)


@dataclass(frozen=True)
class Held:
    """A claim in a worker's memory, true or stale."""

    worker: str
    claimed: claims.Claimed


class JobLife(RuleBasedStateMachine):
    team: Team  # set by the test

    def __init__(self) -> None:
        super().__init__()
        Job.unscoped.all().delete()
        UsageRecord.unscoped.all().delete()
        self.jobs: dict[UUID, Model] = {}
        self.memory: list[Held] = []  # of both workers: what they hold, or think they hold
        self.now = 0
        self.intake = Intake()
        self._moved_at = time.monotonic()

    # --- The clock ---
    def _stand_still(self, advance_seconds: int = 0) -> None:
        moment = time.monotonic()
        passed = timedelta(seconds=moment - self._moved_at - advance_seconds * MINUTE)
        Job.unscoped.update(**{name: F(name) + passed for name in TIMES})
        self._moved_at = moment
        self.now += advance_seconds

    @rule(seconds=st.sampled_from(TICKS))
    def tick(self, seconds: int) -> None:
        self._stand_still(seconds)

    # --- Callers ---
    @initialize(restarts=st.lists(st.sampled_from(RESTARTS), min_size=1, max_size=4))
    def first_jobs(self, restarts: list[str]) -> None:
        for restart in restarts:
            self.submit(restart, max(DEADLINES))

    @rule(restart=st.sampled_from(RESTARTS), deadline=st.sampled_from(DEADLINES))
    def submit(self, restart: str, deadline: int) -> None:
        self._stand_still()
        now = timezone.now()
        job = NewJob(
            id=new_id(),
            tenant_id=self.team.id,
            provider_id=None,
            model_entry_id=None,
            model_name="m",
            operation="chat.completions",
            endpoint="e",
            priority="normal",
            restart=restart,
            deadline_at=now + timedelta(seconds=deadline * MINUTE),
            created_at=now,
            api_key_id=None,
            actor_label="",
            metadata={},
            input=b"{}",
        )
        [told] = self.intake.commit([Draft(job, self.team.slug, once=None, at_once=None)])
        assert isinstance(told, Accepted), told
        self.jobs[job.id] = Model(job.id, restart, self.now + deadline)

    @rule(data=st.data(), act=st.sampled_from(("cancel", "erase", "redrive")))
    def meddle(self, data: st.DataObject, act: str) -> None:
        """What callers and operators do to a job that is not theirs to run."""
        self._stand_still()
        dead = [job for job in self.jobs.values() if job.state == "dead"]
        choices = dead if act == "redrive" and dead else list(self.jobs.values())
        {"cancel": self._cancel, "erase": self._erase, "redrive": self._redrive}[act](
            data.draw(st.sampled_from(choices))
        )

    def _cancel(self, model: Model) -> None:
        cancel(self._row(model), by=SYSTEM)
        if model.state == "queued":
            model.leave("cancelled", raises_token=True)
            model.cancel_requested = True
        elif model.state == "running":
            model.cancel_requested = True

    def _erase(self, model: Model) -> None:
        if model.state in TERMINAL:
            erase(self._row(model), by=SYSTEM)
            model.is_erased = True
        else:
            self._refused("job_not_finished", lambda: erase(self._row(model), by=SYSTEM))

    def _redrive(self, model: Model) -> None:
        row = self._row(model)
        if model.state != "dead" or model.redriven or model.is_erased:
            code = _why_not(model)
            self._refused(code, lambda: redrive(row, by=SYSTEM))
            return
        anew = redrive(row, by=SYSTEM)
        model.redriven = True
        time_given = round((row.deadline_at - row.created_at).total_seconds() / MINUTE)
        self.jobs[anew.pk] = Model(anew.pk, model.restart, self.now + time_given)

    def _refused(self, code: str, act: Callable[[], object]) -> None:
        with pytest.raises(Conflict) as refusal:
            act()
        assert refusal.value.code == code

    # --- Workers ---
    @rule(worker=st.sampled_from(WORKERS))
    def pause(self, worker: str) -> None:
        """It takes two jobs and sleeps until its leases have lapsed, while the other beats; it wakes up with them."""
        self._claim(worker, FULL)
        for _ in range(2):
            self._stand_still(8)
            for other in set(WORKERS) - {worker}:
                self._beat({job.id for job in self.jobs.values()}, other)
        self.take_back()

    @rule(worker=st.sampled_from(WORKERS), most=st.integers(1, 4))
    def claim(self, worker: str, most: int) -> None:
        self._claim(worker, most)

    def _claim(self, worker: str, most: int) -> None:
        self._stand_still()
        ready = {job.id for job in self.jobs.values() if self._may_run(job)}
        taken = claims.claim({line.name: most for line in lines.waiting()}, owner=worker)
        assert {job.id for job in taken} <= ready
        assert len(taken) >= min(most, len(ready)), "nobody else is here to take them"
        for claimed in taken:
            self._is_claimed(self.jobs[claimed.id], claimed, worker)
        self.memory += [Held(worker, claimed) for claimed in taken]

    def _may_run(self, job: Model) -> bool:
        is_due = job.run_after <= self.now < job.deadline_at
        return job.state == "queued" and is_due and not job.cancel_requested

    def _is_claimed(self, model: Model, claimed: claims.Claimed, worker: str) -> None:
        model.state, model.owner, model.lease_until = "running", worker, self.now + LEASE_SECONDS
        model.token, model.attempt = model.token + 1, model.attempt + 1
        model.first_token, model.run_after = False, 0
        assert (claimed.token, claimed.attempt, claimed.crashes) == (model.token, model.attempt, model.crashes)

    @rule(data=st.data(), act=st.sampled_from(("beat", "show_a_token", "finish", "finish", "finish")))
    def work(self, data: st.DataObject, act: str) -> None:
        """By one that holds a job, or was asleep for long and only thinks so: then nothing may come of it."""
        if self.memory:
            self._stand_still()
            one = data.draw(st.sampled_from(self.memory))
            if act == "beat":
                self._beat({other.claimed.id for other in self.memory if other.worker == one.worker}, one.worker)
            elif act == "show_a_token":
                self._show_a_token(one)
            else:
                self.memory.remove(one)
                burns, delay = data.draw(st.booleans()), data.draw(st.sampled_from(DELAYS))
                self._finish(one, data.draw(st.sampled_from(OUTCOMES)), delay, burns)

    def _beat(self, asked: set[UUID], worker: str) -> None:
        mine = [self.jobs[job] for job in asked if self._is_of(self.jobs[job], worker)]
        pulse: Pulse = heartbeat.beat(sorted(asked), owner=worker)
        assert pulse.held == {(job.id, job.token) for job in mine}
        assert pulse.to_cancel == {job.id for job in mine if job.cancel_requested}
        for job in mine:
            job.lease_until = self.now + LEASE_SECONDS

    def _is_of(self, job: Model, worker: str) -> bool:
        return job.state == "running" and job.owner == worker

    def _show_a_token(self, one: Held) -> None:
        model = self.jobs[one.claimed.id]
        assert note_first_token(one.claimed) == self._is_true(one)
        model.first_token |= self._is_true(one)

    def _is_true(self, one: Held) -> bool:
        model = self.jobs[one.claimed.id]
        return model.state == "running" and model.token == one.claimed.token

    def _finish(self, one: Held, state: str, delay: int, burns: bool) -> None:
        model, spent = self.jobs[one.claimed.id], Spent(None, False, None, 1) if state != "queued" else None
        burns = burns and state == "queued"
        waits = float(delay * MINUTE)
        settlement = Settlement(one.claimed, state, result=b"{}", spent=spent, delay_seconds=waits, burns=burns)
        is_true = self._is_true(one)
        [told] = settle_all([settlement])
        if not is_true:
            assert told == ""
            return
        model.leave("cancelled" if state == "queued" and model.cancel_requested else state, raises_token=False)
        assert told == model.state
        model.failures += burns
        model.usages += spent is not None
        model.run_after = self.now + delay if state == "queued" and delay else 0

    # --- The sweep ---
    @rule()
    def sweep(self) -> None:
        self._stand_still()
        self.take_back()
        self.expire()

    def take_back(self) -> None:
        lost = [job for job in self.jobs.values() if job.state == "running" and job.lease_until < self.now]
        beside = Counter(job.owner for job in lost)
        assert sweep.take_back_lost_leases() == len(lost)
        for job in lost:
            job.crashes += beside[job.owner] <= FULL
            job.is_suspect = True
            job.leave(_after_a_crash(job), raises_token=True)
            job.usages += job.state in TERMINAL  # what its worker could not note any more
            job.first_token = job.first_token and job.state != "queued"

    def expire(self) -> None:
        late = [job for job in self.jobs.values() if job.state == "queued" and job.deadline_at <= self.now]
        assert sweep.expire_overdue() == len(late)
        for job in late:
            job.leave("expired", raises_token=True)

    # --- What must hold ---
    @invariant()
    def the_rows_are_what_the_model_says(self) -> None:
        usage.flush()
        rows = {row.pk: row for row in Job.unscoped.all()}
        used = Counter(UsageRecord.unscoped.values_list("job_id", flat=True))
        assert {pk: _told(row) for pk, row in rows.items()} == {pk: _wanted(job) for pk, job in self.jobs.items()}
        assert used == Counter({job.id: job.usages for job in self.jobs.values() if job.usages})
        for job in self.jobs.values():
            assert len(job.ends) == (job.state in TERMINAL), f"{job} ended more than once"
            assert job.usages <= 1

    # --- Help ---
    def _row(self, model: Model) -> Job:
        row: Job = Job.objects.for_tenant(self.team.id).get(pk=model.id)
        return row


def _why_not(job: Model) -> str:
    if job.state != "dead":
        return "job_not_dead"
    return "job_redriven" if job.redriven else "job_content_gone"


def _after_a_crash(job: Model) -> str:
    if job.cancel_requested:
        return "cancelled"
    if job.crashes >= CRASHES:
        return "dead"
    return "failed" if job.restart == "before_first_token" and job.first_token else "queued"


def _told(row: Job) -> dict[str, Any]:
    return {
        "state": row.state,
        "token": row.lease_token,
        "attempt": row.attempt,
        "failures": row.failures,
        "crashes": row.crashes,
        "is_suspect": row.is_suspect,
        "owner": row.lease_owner,
        "has_lease": row.lease_until is not None,
        "waits": row.run_after is not None,
        "has_ended": row.finished_at is not None,
        "cancel_requested": row.cancel_requested_at is not None,
        "is_erased": row.content_erased_at is not None,
    }


def _wanted(job: Model) -> dict[str, Any]:
    return {
        "state": job.state,
        "token": job.token,
        "attempt": job.attempt,
        "failures": job.failures,
        "crashes": job.crashes,
        "is_suspect": job.is_suspect,
        "owner": job.owner,
        "has_lease": job.state == "running",
        "waits": job.run_after != 0,
        "has_ended": job.state in TERMINAL,
        "cancel_requested": job.cancel_requested,
        "is_erased": job.is_erased,
    }
