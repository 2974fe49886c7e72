"""A process's desk at the counts: it takes a little in advance, and settles what calls really used.

Where a limit is high a thousandth of it is taken for the calls to come, so that a busy process asks Redis a few times
a second and not for each call; what is not used goes back within a second. What has been refused is refused on
without asking until it can pass. Actual tokens are told a few times a second.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from itertools import count as numbers
from time import monotonic
from typing import Final
from weakref import WeakKeyDictionary

from prometheus_client import Counter

from providers.limits.admission import OPEN, Admission, RateLimited, Want, too_many, too_many_streams
from providers.limits.counts import Count, Sort, Streams
from providers.limits.ledger import RENEW_SECONDS, Ledger, LedgerDown
from tenants.rate_limits import Bound

SETTLE_SECONDS: Final = 0.1
SPARE_SECONDS: Final = 0.5  # for which what was taken in advance may lie unused
TICK_SECONDS: Final = 1.0
WITHOUT_LEDGER_SECONDS: Final = 1.0  # how long Redis is not asked after it failed
COUNTS_REMEMBERED: Final = 20_000
UNKNOWN_STREAM_SECONDS: Final = 5.0
MOST_STREAM_WAIT_SECONDS: Final = 60.0

refused = Counter("modelyard_rate_limited", "Calls that a rate limit refused.", ["limit", "whose"])

_desks: WeakKeyDictionary[asyncio.AbstractEventLoop, Desk] = WeakKeyDictionary()


async def admit(bounds: Sequence[Bound], *, tokens: int = 1, is_stream: bool = False) -> Admission:
    """Let a call go on that will use about `tokens`, or raise RateLimited. All limits count, or none.

    A call that asks for more than a minute's worth of tokens may go when nothing of it is used.
    """
    if not bounds:
        return OPEN
    return await desk().admit(bounds, tokens, is_stream)


async def close() -> None:
    """Give back what this loop has taken in advance, and tell what is owed; for its end."""
    await desk().close()


def desk() -> Desk:
    """The running loop's desk."""
    loop = asyncio.get_running_loop()
    found = _desks.get(loop)
    if found is None:
        found = _desks[loop] = Desk()
    return found


class Desk:
    """For one event loop."""

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._counts: dict[tuple[str, Sort], Count] = {}
        self._streams: dict[str, Streams] = {}
        self._running: dict[str, tuple[Sequence[Streams], float]] = {}
        self._owing: set[Count] = set()
        self._with_spare: set[Count] = set()
        self._name = secrets.token_hex(8)
        self._numbers = numbers(1)
        self._down_until = 0.0
        self._usual_stream_seconds = UNKNOWN_STREAM_SECONDS
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def admit(self, bounds: Sequence[Bound], tokens: int, is_stream: bool) -> Admission:
        wants = self._wants(bounds, tokens)
        streams = self._streams_of(bounds) if is_stream else ()
        now = monotonic()
        for count, need in wants:
            if wait_seconds := count.wait_seconds(need, now):
                raise _refusal(count, wants, wait_seconds)
        member = f"{self._name}/{next(self._numbers)}" if streams else ""
        if now < self._down_until:
            return self._admit_alone(wants, streams, member)
        if not streams and all(count.spare >= need for count, need in wants):
            for count, need in wants:
                count.spare -= need
            return Admission(self, wants, streams, member)
        return await self._ask(wants, streams, member)

    def charge(self, bounds: Sequence[Bound], tokens: int) -> None:
        """Count tokens that nobody asked for beforehand."""
        for count, _ in self._wants(bounds, 0):
            if count.sort == "tokens":
                self.settle(count, tokens)

    def settle(self, count: Count, difference: int) -> None:
        if monotonic() < self._down_until:
            count.take_alone(difference, monotonic())
            return
        count.owed += difference
        self._owing.add(count)
        self._later("settle", SETTLE_SECONDS, self._pay)

    def release(self, streams: Sequence[Streams], member: str) -> None:
        _, since = self._running.pop(member)
        self._usual_stream_seconds += (monotonic() - since - self._usual_stream_seconds) / 8
        for one in streams:
            one.held -= 1
            if monotonic() >= self._down_until:
                self._ledger.tell("R", one.key, member)

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._return_spare(older_than_seconds=0.0)
        self._pay()
        await self._ledger.settle()

    # --- What is asked for ---
    def _wants(self, bounds: Sequence[Bound], tokens: int) -> list[Want]:
        wants: list[Want] = []
        for bound in bounds:
            if bound.limits.requests_per_minute is not None:
                wants.append((self._count(bound, "requests", bound.limits.requests_per_minute), 1))
            if bound.limits.tokens_per_minute is not None:
                count = self._count(bound, "tokens", bound.limits.tokens_per_minute)
                wants.append((count, min(max(1, tokens), count.limit)))
        return wants

    def _count(self, bound: Bound, sort: Sort, limit: int) -> Count:
        place = (bound.name, sort)
        known = self._counts.get(place)
        if known is None or known.limit != limit:
            if len(self._counts) >= COUNTS_REMEMBERED:
                self._counts.clear()  # what they owe or hold in advance is kept elsewhere
            known = self._counts[place] = Count(bound, sort, limit)
        return known

    def _streams_of(self, bounds: Sequence[Bound]) -> list[Streams]:
        found = []
        for bound in bounds:
            limit = bound.limits.concurrent_streams
            if limit is not None:
                streams = self._streams.get(bound.name)
                if streams is None:
                    if len(self._streams) >= COUNTS_REMEMBERED:
                        self._streams = {name: one for name, one in self._streams.items() if one.held}
                    streams = self._streams[bound.name] = Streams(bound, limit)
                streams.limit = limit
                found.append(streams)
        return found

    # --- With Redis ---
    async def _ask(self, wants: Sequence[Want], streams: Sequence[Streams], member: str) -> Admission:
        self._pay()
        parts: list[str | int] = ["A", len(wants), len(streams)]
        asking = [count for count, _ in wants if not count.is_asking]
        for count, need in wants:
            parts += (count.key, count.limit, need, count.wanted_spare())
        for one in streams:
            parts += (one.key, one.limit, member)
        for count in asking:
            count.is_asking = True
        try:
            answer = await self._ledger.ask(*parts)
        except LedgerDown:
            self._down_until = monotonic() + WITHOUT_LEDGER_SECONDS
            return self._admit_alone(wants, streams, member)
        except asyncio.CancelledError:
            for one in streams:
                self._ledger.tell("R", one.key, member)
            raise
        finally:
            for count in asking:
                count.is_asking = False
        self._read(answer, wants, streams)
        return self._admitted(wants, streams, member)

    def _read(self, answer: list[int], wants: Sequence[Want], streams: Sequence[Streams]) -> None:
        """Learn what the script said. Raises RateLimited where it refused."""
        now = monotonic()
        which, wait_seconds = answer[0], answer[1] / 1_000_000
        for place, (count, _) in enumerate(wants, 1):
            count.learn(answer[place * 2], answer[place * 2 + 1], now)
            if count.spare:
                self._with_spare.add(count)
                self._later("spare", SPARE_SECONDS, self._return_spare)
        if 0 < which <= len(wants):
            count, need = wants[which - 1]
            count.close(need, wait_seconds, now)
            raise _refusal(count, wants, wait_seconds)
        if which:
            raise self._too_many_streams(streams[which - len(wants) - 1], wants)

    def _admitted(self, wants: Sequence[Want], streams: Sequence[Streams], member: str) -> Admission:
        for one in streams:
            one.held += 1
        if streams:
            self._running[member] = (streams, monotonic())
            self._later("keep", RENEW_SECONDS, self._keep_streams)
        return Admission(self, wants, streams, member)

    def _pay(self) -> None:
        """Tell Redis what is owed."""
        owing, self._owing = self._owing, set()
        for count in owing:
            if count.owed:
                self._ledger.tell("S", count.key, count.limit, count.owed)
                count.owed = 0

    def _return_spare(self, older_than_seconds: float = SPARE_SECONDS) -> None:
        last = monotonic() - older_than_seconds
        for count in list(self._with_spare):
            if count.spare_since <= last:
                self.settle(count, -count.spare)
                count.spare = 0
                self._with_spare.discard(count)
        if self._with_spare:
            self._later("spare", SPARE_SECONDS, self._return_spare)

    def _keep_streams(self) -> None:
        for member, (streams, _) in self._running.items():
            for one in streams:
                self._ledger.tell("K", one.key, member)
        if self._running:
            self._later("keep", RENEW_SECONDS, self._keep_streams)

    def _later(self, what: str, seconds: float, act: Callable[[], None]) -> None:
        """Have `act` called once, unless that is arranged already."""
        if what not in self._timers:
            self._timers[what] = asyncio.get_running_loop().call_later(seconds, self._due, what, act)

    def _due(self, what: str, act: Callable[[], None]) -> None:
        del self._timers[what]
        act()

    # --- Without ---
    def _admit_alone(self, wants: Sequence[Want], streams: Sequence[Streams], member: str) -> Admission:
        now = monotonic()
        for count, need in wants:
            if wait_seconds := count.wait_alone(need, now):
                raise _refusal(count, wants, wait_seconds)
        for one in streams:
            if not one.has_room_alone():
                raise self._too_many_streams(one, wants)
        for count, need in wants:
            count.take_alone(need, now)
        return self._admitted(wants, streams, member)

    def _too_many_streams(self, streams: Streams, wants: Sequence[Want]) -> RateLimited:
        refused.labels("streams", streams.whose).inc()
        wait_seconds = min(MOST_STREAM_WAIT_SECONDS, self._usual_stream_seconds / streams.limit)
        return too_many_streams(streams, wants, wait_seconds)


def _refusal(count: Count, wants: Sequence[Want], wait_seconds: float) -> RateLimited:
    refused.labels(count.sort, count.whose).inc()
    return too_many(count, wants, wait_seconds)
