"""Which jobs this process runs: it hears doorbells, has lines of jobs stand at the arbiter, claims what gets slots
there, and keeps the leases.

One look at a time: what changes during a look (a bell, a slot that came) leads to the next one. A tick of one second
finds what no bell told, such as a retry whose time has come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import chain
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError

from providers import doorbell, slots
from providers.errors import ProviderError
from providers.job_slots import JobSlots, LedgerDown, Room
from providers.jobs import claims, heartbeat, sweep, without_ledger
from providers.jobs.attempt import Attempt
from providers.jobs.claims import Claimed
from providers.jobs.frames import FrameWriter
from providers.jobs.group_commit import GroupCommit
from providers.jobs.line_up import LineUp
from providers.jobs.owner import this_process
from providers.jobs.pace import Pace
from providers.jobs.resting import awake
from providers.jobs.settlement import Settlement, settle_all
from providers.jobs.suspects import Quarantine
from providers.redis import REDIS_DOWN, RedisError, blocking_redis
from providers.slots import Slot
from providers.stopping import stopping
from providers.upstream.target import Target
from providers.worker_loop import spawn
from tenants.in_db import in_db

TICK_SECONDS: Final = 1.0
BELL_BLOCK_SECONDS: Final = 5
PAUSE_SECONDS: Final = 0.5  # while Redis or the database is away
ROUNDS: Final = 20  # of one look
UNWRITTEN_FACTOR: Final = 2  # attempts at most, of the calls in flight at most: the others wait for their rows
MOST_FINALS_IN_ONE_COMMIT: Final = 100
LAST_WORDS_SECONDS: Final = 5.0  # for rows and frames once the attempts are stopped

log = structlog.get_logger(__name__)

Slots = dict[str, list[Slot | None]]  # by line; None where none is needed


class Dispatcher:
    """One per worker loop; `begin`, then `drain`."""

    def __init__(self) -> None:
        self.owner = this_process()
        self.running: dict[UUID, Attempt] = {}
        self._frames = FrameWriter()
        self._finals: GroupCommit[Settlement, str] = GroupCommit(
            settle_all, name="job_finals", most=MOST_FINALS_IN_ONE_COMMIT
        )
        self._pace = Pace()
        self._quarantine = Quarantine()
        self._again = asyncio.Event()
        self._idle = asyncio.Event()
        self._lines = LineUp()
        self._slots = JobSlots(self._room, self._again.set)
        self._starting = 0
        self._flag_may_stand = True  # the doorbell's flag, which is taken away before the next look
        self._owes_bell = False  # one was heard that others may have to hear as well
        self._is_lenient = False
        self._chores: list[asyncio.Task[None]] = []
        self._heart: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self._slots.begin()
        self._again.set()
        self._idle.set()
        self._heart = spawn(self._forever(self._beat, heartbeat.BEAT_SECONDS), name="job_heartbeat")
        self._chores = [
            spawn(self._survive(self._free_gone), name="job_slots_of_gone"),
            spawn(self._hear(), name="job_bell"),
            spawn(self._dispatch(), name="job_dispatch"),
            spawn(self._forever(self._sweep, settings.SWEEP_SECONDS), name="job_sweep"),
            spawn(self._forever(self._expire, TICK_SECONDS), name="job_deadlines"),
        ]

    def look(self) -> None:
        """Look for work soon."""
        self._lines.note_change()
        self._flag_may_stand = True
        self._again.set()

    async def drain(self, grace_seconds: float) -> None:
        """Claim nothing more; let what runs end within the grace, then put the rest back into the queue."""
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        self._slots.end()
        await self._wait_idle(grace_seconds)
        for attempt in list(self.running.values()):
            attempt.stop("drained")
        await self._wait_idle(LAST_WORDS_SECONDS)
        await self._frames.drain(LAST_WORDS_SECONDS)
        if self._heart is not None:
            self._heart.cancel()

    async def _wait_idle(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            log.info("jobs_still_running", count=len(self.running))

    # --- Hearing ---
    async def _hear(self) -> None:
        own, shared = doorbell.bell_list(f"{doorbell.JOBS}/{self.owner}"), doorbell.bell_list(doorbell.JOBS)
        while True:
            is_full = self._is_full()  # the shared bell is then for those who have room
            try:
                heard = await blocking_redis().blpop(
                    [own] if is_full else [own, shared], timeout=TICK_SECONDS if is_full else BELL_BLOCK_SECONDS
                )
            except (RedisError, *REDIS_DOWN) as down:
                log.warning("bell_unheard", error=type(down).__name__)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if heard is not None:
                self._obey(heard[1])

    def _obey(self, heard: bytes | str) -> None:
        """A word is a hint: whether a job was cancelled, its row says."""
        word = heard if isinstance(heard, str) else heard.decode(errors="replace")
        if word == "look":
            self.look()
        elif word.startswith("cancel:") and word.removeprefix("cancel:") in map(str, self.running):
            spawn(self._survive(self._beat), name="job_cancel")

    # --- Looking ---
    async def _dispatch(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._again.wait(), TICK_SECONDS)
            except TimeoutError:
                self._flag_may_stand = True
            self._again.clear()
            await self._survive(self._look)

    async def _look(self) -> None:
        if self._flag_may_stand:
            self._flag_may_stand, self._owes_bell = False, True
            with suppress(RedisError, *REDIS_DOWN):  # the flag ends by itself
                await doorbell.take_flag()
        for _ in range(ROUNDS):
            if stopping.is_set():
                return
            if self._is_full() and not self._slots.waiting:  # those that have come are taken first, or go back
                if self._owes_bell:
                    self._owes_bell = False
                    with suppress(RedisError, *REDIS_DOWN):  # the sweep rings as well
                        await doorbell.ring_on()
                return
            await self._read_lines()
            if not await self._fill() or not self._lines.may_hold_more:
                return

    async def _read_lines(self) -> None:
        due_in = self._lines.due_in()
        if due_in == 0:
            await self._lines.read()
        elif due_in is not None:
            asyncio.get_running_loop().call_later(due_in, self._again.set)

    def _is_full(self) -> bool:
        return not self._room().any

    def _room(self) -> Room:
        """How many more the arbiter may give this process slots for."""
        starting = self._starting + self._slots.waiting
        running = self.running.values()
        calling = sum(attempt.is_calling for attempt in running)
        most = settings.WORKER_CONCURRENCY
        free = min(most - calling, most * UNWRITTEN_FACTOR - len(running)) - starting
        if self._is_lenient:
            return self._quarantine.room_beside(free, running, starting)
        oldest = self._lines.oldest_suspect
        return self._quarantine.room(free, running, oldest_suspect=oldest, starting=starting)

    async def _fill(self) -> int:
        """Start what may start; how many jobs it became."""
        started = await self._start_some()
        if started or self._lines.oldest_suspect is None or not self._room().any:
            return started
        self._is_lenient = True  # no suspect could start: nobody else is held up for it
        try:
            return await self._start_some()
        finally:
            self._is_lenient = False

    async def _start_some(self) -> int:
        try:
            await self._slots.ask(self._lines.standing(), self._lines.shares(self._room().any))
        except LedgerDown:
            self._lines.forget_standing()
            return await self._start(self._come()) + await self._start_without_ledger()
        room = self._room()  # what came by now counts
        wanted = self._come()
        for name, count in self._lines.without_slots(room).items():
            wanted.setdefault(name, []).extend([None] * count)
        return await self._start(wanted)

    def _come(self) -> Slots:
        return {name: list(come) for name, come in self._slots.taken().items()}

    async def _start(self, wanted: Slots) -> int:
        """Claim them. Slots of those that rest, or that another worker was quicker to take, go back."""
        if not wanted:
            return 0
        self._starting = sum(map(len, wanted.values()))
        try:
            targets = await self._lines.targets(wanted)
            counts = {name: len(wanted[name]) for name in targets}
            allowed = await awake(counts, targets)
            claimed = await in_db(claims.claim, allowed, owner=self.owner)
            self._lines.note_claim(counts, allowed, claimed)
            for job in claimed:
                self._begin(job, targets[job.line], wanted[job.line].pop())
        finally:
            self._starting = 0
            for slot in chain.from_iterable(wanted.values()):
                if slot is not None:
                    slot.give_back()
        return len(claimed)

    async def _start_without_ledger(self) -> int:
        room, waiting = self._room(), self._lines.waiting()
        claimed = await in_db(without_ledger.claim, waiting, room, owner=self.owner)
        places = {known.line.name: known.place for known in waiting}
        targets = await self._lines.targets({job.line for job in claimed})
        for job in claimed:
            place = places[job.line]
            self._begin(job, targets[job.line], None if place is None else self._slots.unasked(place))
        return len(claimed)

    def _begin(self, job: Claimed, target: Target | ProviderError, slot: Slot | None) -> None:
        attempt = Attempt(job, target, slot, writer=self._frames, finals=self._finals, freed=self._again.set)
        self.running[job.id] = attempt
        self._idle.clear()
        spawn(self._run(attempt), name="job_attempt")

    async def _run(self, attempt: Attempt) -> None:
        try:
            state = await attempt.run()
        finally:
            if self.running.get(attempt.job.id) is attempt:
                del self.running[attempt.job.id]
            if not self.running:
                self._idle.set()
            self._again.set()
        if state and state != "queued":
            seconds = attempt.seconds if state == "succeeded" else None
            self._pace.note(attempt.job.endpoint, attempt.job.tenant_id, seconds)

    # --- Keeping ---
    async def _beat(self) -> None:
        attempts = list(self.running.values())
        if not attempts:
            return
        pulse = await in_db(heartbeat.beat, [attempt.job.id for attempt in attempts], owner=self.owner)
        for attempt in attempts:
            if (attempt.job.id, attempt.job.token) not in pulse.held:
                attempt.stop("lost")
            elif attempt.job.id in pulse.to_cancel:
                attempt.stop("cancelled")

    async def _free_gone(self) -> None:
        await slots.free_gone_processes()

    async def _sweep(self) -> None:
        await in_db(sweep.sweep)

    async def _expire(self) -> None:
        """Oftener than the sweep: a caller who gave a job ten seconds has not given it fifteen."""
        await in_db(sweep.expire_overdue)

    async def _forever(self, chore: Callable[[], Awaitable[None]], every_seconds: float) -> None:
        while True:
            began_at = time.monotonic()
            await self._survive(chore)
            await asyncio.sleep(max(0.0, every_seconds - (time.monotonic() - began_at)))

    async def _survive(self, chore: Callable[[], Awaitable[None]]) -> None:
        try:
            await chore()
        except (OperationalError, InterfaceError, RedisError, *REDIS_DOWN) as down:
            log.warning("job_chore_waits", chore=chore.__name__, error=type(down).__name__)
            await asyncio.sleep(PAUSE_SECONDS)
        except Exception:  # the outermost loop of the worker: a mistake here must not end all that runs
            log.exception("job_chore_failed", chore=chore.__name__)
            await asyncio.sleep(PAUSE_SECONDS)
