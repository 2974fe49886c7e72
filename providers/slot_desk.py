"""A process's desk at the ledger of slots: what it holds and renews, what waits, and what it keeps for a moment.

A slot that is given back while nobody waits for one is kept for a quarter of a second, so that the next call of the
process takes it without asking: a busy process asks Redis a few times a second, not twice a call. As soon as anybody
waits at the endpoint, all is given back and nothing is kept; and no slot changes hands for longer than a second
without the ledger's knowing, should the word of the waiter be lost.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from os import getpid
from time import monotonic
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import structlog

from providers import pubsub
from providers.redis import REDIS_DOWN, RedisError, blocking_redis, key
from providers.slot_ledger import RENEW_SECONDS, Claim, Ledger, LedgerDown, Place
from providers.slot_share import Share, Waiting

__all__ = ["Desk", "Full", "Jobs", "desk"]

TICK_SECONDS = 1.0  # how often a waiter asks by itself, should the word of its grant be lost
WITHOUT_LEDGER_SECONDS = 1.0  # how long Redis is not asked after it failed
KEEP_SECONDS = 0.25  # a slot without a call
HANDED_ON_SECONDS = 1.0  # from call to call without asking
CONTENDED_SECONDS = 1.5  # after the last word of somebody who waits; waiters say it on each tick
ENDPOINTS_REMEMBERED = 10_000
LINES_REMEMBERED = 10_000
UNKNOWN_HOLD_SECONDS = 5.0
WANTED = "slots:wanted"

log = structlog.get_logger(__name__)

_desks: WeakKeyDictionary[asyncio.AbstractEventLoop, Desk] = WeakKeyDictionary()


def desk() -> Desk:
    """The running loop's desk."""
    loop = asyncio.get_running_loop()
    found = _desks.get(loop)
    if found is None:
        found = _desks[loop] = Desk()
    return found


class Full(Exception):
    """No slot: nobody may wait any more, or the time to wait is over. `waiting`: how many are before the asker."""

    def __init__(self, waiting: int) -> None:
        super().__init__(waiting)
        self.waiting = waiting


class Jobs(Protocol):
    """What starts the jobs of a process."""

    def room(self) -> str:
        """How many more it may start, ordinary ones and suspects: `64|2`."""

    def granted(self, line: str, claim: Claim) -> None:
        """A slot is held for a job of this line."""


class _Held:
    __slots__ = ("claim", "granted_at", "kept_since", "renewed_at", "since", "used_seconds", "uses")

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.since = self.renewed_at = self.granted_at = monotonic()
        self.kept_since = self.used_seconds = 0.0
        self.uses = 0

    def note_use(self, now: float) -> float:
        seconds = now - self.since
        self.used_seconds += seconds
        self.uses += 1
        return seconds

    @property
    def used(self) -> str:
        """As the ledger reads it."""
        return f"{int(self.used_seconds * 1000)}/{self.uses}"


class Desk:
    """For one event loop. `take` and `release` for calls; `run_jobs` and `ask_for_jobs` for a worker."""

    def __init__(self) -> None:
        self.process = f"{socket.gethostname()}/{getpid()}/{secrets.token_hex(4)}"
        self._grant_list = f"slots:granted:{self.process}"
        self._ledger = Ledger(self.process, self._room, self._take_grants)
        self._jobs: Jobs | None = None
        self._places_of_lines: OrderedDict[str, Place] = OrderedDict()
        self._held: dict[str, _Held] = {}
        self._kept: dict[Place, list[_Held]] = {}
        self._waiting: dict[str, Waiting] = {}
        self._share = Share(self._grant)
        self._contended: dict[str, float] = {}
        self._hold_seconds: OrderedDict[str, float] = OrderedDict()
        self._ledger_down_until = 0.0
        self._beat: asyncio.TimerHandle | None = None
        self._cleaning: asyncio.TimerHandle | None = None
        self._listener: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    async def take(self, claim: Claim, wait_seconds: float | None) -> tuple[Claim, float]:
        """Hold what is claimed. Gives the claim that is held now and how many seconds it waited.

        Raises Full. Cancelling gives the place up.
        """
        kept = self._take_kept(claim.place) if claim.may_wait is not None else None
        if kept is not None:
            return kept, 0.0
        if monotonic() < self._ledger_down_until:
            return claim, await self._take_alone(claim, wait_seconds)
        try:
            answer = await self._ledger.ask("T", claim)
        except LedgerDown:
            self._note_ledger_down()
            return claim, await self._take_alone(claim, wait_seconds)
        except asyncio.CancelledError:
            self._ledger.tell("R", claim)
            raise
        if answer == 1:
            self._hold(claim)
            return claim, 0.0
        if answer != 2:
            raise Full(-answer)
        self._listen()
        return claim, await self._wait(Waiting(claim), wait_seconds)

    def release(self, claim: Claim, *, is_used: bool = True) -> None:
        held = self._held.pop(claim.member, None)
        if held is None:
            return
        now = monotonic()
        endpoint = claim.place.endpoint
        if is_used:
            self._remember_hold(endpoint, held.note_use(now))
        self._share.leave(endpoint)
        if self._may_keep(held, now):
            self._keep(held, now)
        else:
            self._give_back(held)

    def usual_hold_seconds(self, endpoint: str) -> float:
        """How long a slot of the endpoint was held of late."""
        return self._hold_seconds.get(endpoint, UNKNOWN_HOLD_SECONDS)

    async def close(self) -> None:
        """Give back what is kept; for the end of the loop."""
        self._give_back_kept(lambda _: True)
        await self._ledger.settle()

    # --- Slots for jobs ---
    def run_jobs(self, jobs: Jobs | None) -> None:
        """From now on this process starts jobs (None: no more; slots that still come go back)."""
        self._jobs = jobs
        if jobs is not None:
            self._listen()

    async def ask_for_jobs(self, lines: Sequence[tuple[Claim, str]], shares: Sequence[tuple[Claim, str]]) -> None:
        """Have lines of jobs stand at their endpoints, then have slots dealt out; see `slots.lua`, J and D.

        What is granted at once has been told to `Jobs.granted` when this returns. Raises LedgerDown.
        """
        if monotonic() < self._ledger_down_until:
            raise LedgerDown
        for claim, _ in lines:
            self._remember_line(claim)
        answers = [self._ledger.ask("J", claim, more) for claim, more in lines]
        answers += [self._ledger.ask("D", claim, more) for claim, more in shares]
        try:
            await asyncio.gather(*answers)
        except LedgerDown:
            self._note_ledger_down()
            raise

    def hold_unasked(self, claim: Claim) -> None:
        """Count what was started while the ledger could not be asked; once it answers, renewing enters it."""
        self._hold(claim)

    def _remember_line(self, claim: Claim) -> None:
        self._places_of_lines[claim.member] = claim.place
        self._places_of_lines.move_to_end(claim.member)
        if len(self._places_of_lines) > LINES_REMEMBERED:
            self._places_of_lines.popitem(last=False)

    def _room(self) -> str:
        return "" if self._jobs is None else self._jobs.room()

    def _take_grants(self, words: Sequence[bytes]) -> None:
        for word in words:
            self._take_grant(_text(word))

    def _take_grant(self, word: str) -> None:
        member, _, line = word.split("|", 2)
        if not line:
            self._grant(member)
            return
        place = self._places_of_lines.get(line)
        if place is None:  # its lease lapses
            log.error("slot_for_an_unknown_line", line=line)
            return
        claim = Claim(member, place, None)
        self._hold(claim)
        if self._jobs is None:
            self.release(claim, is_used=False)
        else:
            self._jobs.granted(line, claim)

    # --- What is held ---
    def _note_ledger_down(self) -> None:
        self._ledger_down_until = monotonic() + WITHOUT_LEDGER_SECONDS

    def _hold(self, claim: Claim) -> None:
        self._held[claim.member] = _Held(claim)
        self._share.enter(claim.place.endpoint)
        self._keep_beating()

    def _give_back(self, held: _Held) -> None:
        if monotonic() >= self._ledger_down_until:
            self._ledger.tell("R", held.claim, held.used)

    def _remember_hold(self, endpoint: str, seconds: float) -> None:
        usual = self._hold_seconds.get(endpoint, seconds)
        self._hold_seconds[endpoint] = usual + (seconds - usual) / 8
        if len(self._hold_seconds) > ENDPOINTS_REMEMBERED:
            self._hold_seconds.popitem(last=False)

    def _keep_beating(self) -> None:
        if self._beat is None:
            self._beat = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._beat = None
        if self._held or self._waiting:
            self._keep_beating()
        due = monotonic() - RENEW_SECONDS
        for held in self._held.values():
            if held.renewed_at <= due:
                held.renewed_at = monotonic()
                self._ledger.tell("K", held.claim)
        if self._waiting:
            self._asking = asyncio.get_running_loop().create_task(self._ask_again(), name="slots-ask-again")

    # --- What is kept for the next call ---
    def _may_keep(self, held: _Held, now: float) -> bool:
        if held.claim.may_wait is None or now - held.granted_at > HANDED_ON_SECONDS:
            return False
        if not pubsub.is_listening() or now < self._ledger_down_until:
            return False
        return now > self._contended.get(held.claim.place.endpoint, 0.0)

    def _keep(self, held: _Held, now: float) -> None:
        held.kept_since = now
        self._kept.setdefault(held.claim.place, []).append(held)
        if self._cleaning is None:
            self._cleaning = asyncio.get_running_loop().call_later(KEEP_SECONDS, self._clean)

    def _take_kept(self, place: Place) -> Claim | None:
        kept = self._kept.get(place)
        if not kept:
            return None
        held = kept.pop()
        held.since = monotonic()
        self._held[held.claim.member] = held
        self._share.enter(place.endpoint)
        self._keep_beating()
        return held.claim

    def _clean(self) -> None:
        self._cleaning = None
        oldest = monotonic() - KEEP_SECONDS
        self._give_back_kept(lambda held: held.kept_since <= oldest)
        if self._kept:
            self._cleaning = asyncio.get_running_loop().call_later(KEEP_SECONDS, self._clean)

    def _give_back_kept(self, which: Any) -> None:
        for place, kept in list(self._kept.items()):
            for held in filter(which, kept):
                self._give_back(held)
            self._kept[place] = [held for held in kept if not which(held)]
            if not self._kept[place]:
                del self._kept[place]

    def note_wanted(self, endpoint: str) -> None:
        """Somebody waits there, in whatever process."""
        if len(self._contended) > ENDPOINTS_REMEMBERED:
            self._contended.clear()
        self._contended[endpoint] = monotonic() + CONTENDED_SECONDS
        self._give_back_kept(lambda held: held.claim.place.endpoint == endpoint)

    # --- What waits ---
    async def _wait(self, waiting: Waiting, wait_seconds: float | None) -> float:
        claim = waiting.claim
        self._waiting[claim.member] = waiting
        self._keep_beating()
        try:
            async with asyncio.timeout(wait_seconds):
                await waiting.granted
        except BaseException as fault:
            self._give_up(waiting)
            if isinstance(fault, TimeoutError):
                raise Full(self._waiting_at(claim.place.endpoint)) from None
            raise
        finally:
            self._waiting.pop(claim.member, None)
        return monotonic() - waiting.since

    def _give_up(self, waiting: Waiting) -> None:
        if waiting.claim.member in self._held:
            self.release(waiting.claim, is_used=False)
        elif not self._share.give_up(waiting):
            self._ledger.tell("R", waiting.claim)

    def _waiting_at(self, endpoint: str) -> int:
        return sum(1 for waiting in self._waiting.values() if waiting.claim.place.endpoint == endpoint)

    def _grant(self, member: str) -> None:
        waiting = self._waiting.get(member)
        if waiting is not None and not waiting.granted.done():
            self._hold(waiting.claim)
            waiting.granted.set_result(None)

    def _listen(self) -> None:
        if self._listener is None or self._listener.done():
            self._listener = asyncio.get_running_loop().create_task(self._hear_grants(), name="slots-grants")

    async def _hear_grants(self) -> None:
        while True:
            try:
                word = await blocking_redis().blpop([key(self._grant_list)], timeout=TICK_SECONDS)
            except (RedisError, *REDIS_DOWN):
                await asyncio.sleep(TICK_SECONDS)  # the tick asks meanwhile, and learns that Redis is down
                word = None
            if word is not None:
                self._take_grant(_text(word[1]))
            elif not self._waiting and self._jobs is None:
                return

    async def _ask_again(self) -> None:
        for waiting in list(self._waiting.values()):
            if waiting.granted.done() or self._share.has(waiting):
                continue
            with suppress(LedgerDown):
                await self._ask_for(waiting)
                continue
            self._share.queue(waiting)
            self._share.let_next_in(waiting.claim.place.endpoint)

    async def _ask_for(self, waiting: Waiting) -> None:
        answer = await self._ledger.ask("W", waiting.claim)
        if answer == 0:  # the ledger was lost: into the line again
            answer = await self._ledger.ask("T", waiting.claim)
        if answer == 1:
            self._grant(waiting.claim.member)
        elif answer < 0 and not waiting.granted.done():
            waiting.granted.set_exception(Full(-answer))

    # --- Without Redis ---
    async def _take_alone(self, claim: Claim, wait_seconds: float | None) -> float:
        if self._share.is_free(claim.place):
            self._hold(claim)
            return 0.0
        before = self._share.waiting_at(claim.place)
        if claim.may_wait is None or before >= claim.may_wait:
            raise Full(before)
        waiting = Waiting(claim)
        self._share.queue(waiting)
        return await self._wait(waiting, wait_seconds)


def _text(word: Any) -> str:
    return bytes(word).decode()


def _tell_wanted(endpoint: str) -> None:
    for loop, found in list(_desks.items()):
        with suppress(RuntimeError):  # that loop has ended
            loop.call_soon_threadsafe(found.note_wanted, endpoint)


pubsub.hear(WANTED, _tell_wanted)
