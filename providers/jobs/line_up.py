"""What a worker knows of the lines of queued jobs: where each is counted, and how many of it may still be started.

The rows are read when a bell rang, once a second, and when a claim came short; a read may take a tenth of the time at
most, so that a long queue does not keep the database busy.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final
from uuid import UUID

from providers import routing
from providers.errors import ProviderError
from providers.job_slots import Room, Standing, Suspicion
from providers.jobs import lines
from providers.jobs.claims import Claimed
from providers.jobs.lines import COUNT_UP_TO, LINES_AT_ONCE, Line
from providers.slots import Place, place_of
from providers.turns import RANKS, UNKNOWN_SECONDS, Head, Turns
from providers.upstream.target import Target
from tenants.in_db import in_db

READ_EVERY_SECONDS: Final = 1.0
PAUSE_FACTOR: Final = 9  # of a read's own time, until the next one
STAND_AGAIN_SECONDS: Final = 1.0
FEW: Final = 64  # when the arbiter knows of fewer jobs of a line than there are, it is told again
PLACES_AT_ONCE: Final = 32  # where slots are asked for in one go


@dataclass(slots=True)
class Known:
    """`left`: jobs that may still be claimed; `offered`: those the arbiter may still give slots for."""

    line: Line
    weight: int
    place: Place | None  # where it needs a slot; None: it may start at once, if only to fail
    left: int
    offered: int = 0
    stood_at: float = 0.0


class LineUp:
    """One per worker loop."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._gone: dict[str, Known] = {}
        self._behind = ""
        self._is_stale = True
        self._read_at = 0.0
        self._read_again_at = 0.0
        self._turns: Turns[UUID] = Turns()
        self._next_place = 0

    # --- Reading ---
    def note_change(self) -> None:
        """Rows have changed: read them soon."""
        self._is_stale = True

    def due_in(self) -> float | None:
        """Seconds until the rows should be read; None: nothing is known to have changed."""
        now = time.monotonic()
        if not self._is_stale and now - self._read_at < READ_EVERY_SECONDS:
            return None
        return max(0.0, self._read_again_at - now)

    async def read(self) -> None:
        began_at = time.monotonic()
        self._is_stale = False
        found = await in_db(lines.waiting, self._behind)
        self._read_at = time.monotonic()
        self._read_again_at = self._read_at + PAUSE_FACTOR * (self._read_at - began_at)
        targets = await asyncio.gather(*(target_of(line) for line in found))
        self._take_in(found, targets)

    def _take_in(self, found: list[Line], targets: list[Target | ProviderError]) -> None:
        former, self._known = self._known, {}
        for line, target in zip(found, targets, strict=True):
            known = _known(line, target)
            before = former.pop(line.name, None) or self._gone.pop(line.name, None)
            if before is not None and before.place is not None and known.place is not None:
                known.offered, known.stood_at = before.offered, before.stood_at
            self._known[line.name] = known
        is_all = len(found) < LINES_AT_ONCE
        self._behind = "" if is_all or not found else found[-1].name
        if is_all:
            self._gone.update({name: known for name, known in former.items() if known.offered})

    # --- What waits ---
    @property
    def oldest_suspect(self) -> Suspicion | None:
        suspects = [known.line for known in self._known.values() if known.left > 0 and known.line.suspicion]
        return max(suspects, key=lambda line: line.waited_seconds).suspicion if suspects else None

    @property
    def may_hold_more(self) -> bool:
        """Whether another round may start more: room was shared out between places, or the rows were not all read."""
        places = {known.place.endpoint if known.place else "" for known in self.waiting()}
        return self._is_stale or len(places) > 1

    def waiting(self) -> list[Known]:
        """Lines that have jobs left."""
        return [known for known in self._known.values() if known.left > 0]

    def standing(self) -> list[Standing]:
        """What the arbiter should be told now: new lines, lines that grew, lines that are gone; each once a second."""
        now = time.monotonic()
        told = [_standing(known, 0) for known in self._gone.values() if known.place is not None]
        self._gone.clear()
        for known in self._known.values():
            grew = known.offered < min(known.left, FEW)
            if known.place is not None and known.left > 0 and (grew or now - known.stood_at > STAND_AGAIN_SECONDS):
                known.offered, known.stood_at = known.left, now
                told.append(_standing(known, known.left))
        return told

    def forget_standing(self) -> None:
        """The arbiter has lost its memory, or could not be told."""
        for known in self._known.values():
            known.offered, known.stood_at = 0, 0.0

    def shares(self, room: int) -> dict[Place, int]:
        """How many slots to ask for at which place: no endpoint takes all the room while others wait."""
        by_endpoint = {known.place.endpoint: known.place for known in self.waiting() if known.place is not None}
        is_shared = len(by_endpoint) + any(known.place is None for known in self.waiting())
        places = list(by_endpoint.values())
        start = self._next_place % max(1, len(places))
        self._next_place = start + PLACES_AT_ONCE
        asked = (places[start:] + places[:start])[:PLACES_AT_ONCE]
        return {place: ceil(room / is_shared) for place in asked}

    def without_slots(self, room: Room) -> dict[str, int]:
        """Jobs to start where no slot is needed: tenants take turns at this process's room."""
        lines_of = self._lines_without_slots(room)
        left = {suspicion: room.of(suspicion) for suspicion in Suspicion}
        chosen: dict[str, int] = {}
        while lines_of:
            tenant = self._turns.next_of({each: _head(waiting[-1]) for each, waiting in lines_of.items()})
            known = lines_of[tenant][-1]
            line = known.line
            chosen[line.name] = chosen.get(line.name, 0) + 1
            left[line.suspicion] -= 1
            self._turns.charge(tenant, UNKNOWN_SECONDS)
            if chosen[line.name] >= known.left:
                lines_of[tenant].pop()
            lines_of = {each: rest for each, waiting in lines_of.items() if (rest := _startable(waiting, left))}
        return chosen

    def _lines_without_slots(self, room: Room) -> dict[UUID, list[Known]]:
        """Those that may start something, by tenant; the last of a list is next."""
        found: dict[UUID, list[Known]] = {}
        for known in self.waiting():
            if known.place is None and room.of(known.line.suspicion) > 0:
                found.setdefault(known.line.tenant_id, []).append(known)
        if not found:
            self._turns = Turns()
        for tenant, waiting in found.items():
            waiting.sort(key=lambda known: (RANKS[known.line.priority], -known.line.waited_seconds), reverse=True)
            self._turns.join(tenant, waiting[0].weight)
        return found

    # --- What became of it ---
    async def targets(self, names: Iterable[str]) -> dict[str, Target | ProviderError]:
        """Where jobs of these lines go now. Lines that are gone meanwhile are left out."""
        lines_now = [self._known[name].line for name in names if name in self._known]
        found = await asyncio.gather(*map(target_of, lines_now))
        return {line.name: target for line, target in zip(lines_now, found, strict=True)}

    def note_claim(self, given: Mapping[str, int], tried: Mapping[str, int], claimed: Iterable[Claimed]) -> None:
        """So many slots were given for each line, so many jobs were tried, and these came."""
        got = Counter(job.line for job in claimed)
        for name, most in given.items():
            known = self._known.get(name)
            if known is None:
                continue
            if got[name] == most:
                known.left -= most
                known.offered = max(0, known.offered - most)
            else:  # the arbiter shall give no more for it until the rows have been read
                known.left = known.offered = 0
                self._gone[name] = known
            few = FEW if known.line.count >= COUNT_UP_TO else 0
            is_held_back = tried.get(name, 0) < most
            self._is_stale = self._is_stale or (known.left <= few and not is_held_back)


async def target_of(line: Line) -> Target | ProviderError:
    """Where its jobs go; the fault where they can go nowhere."""
    try:
        return await routing.target_of(line.tenant_id, line.model_name, line.operation)
    except ProviderError as error:
        return error


def _known(line: Line, target: Target | ProviderError) -> Known:
    if not isinstance(target, Target):
        return Known(line, 1, None, left=line.count)
    place = place_of(target)
    return Known(line, target.tenant_weight, place if place.capacity is not None else None, left=line.count)


def _startable(waiting: list[Known], left: Mapping[Suspicion, int]) -> list[Known]:
    return waiting if all(left.values()) else [known for known in waiting if left[known.line.suspicion] > 0]


def _head(known: Known) -> Head:
    return Head(rank=RANKS[known.line.priority], since=-known.line.waited_seconds)


def _standing(known: Known, count: int) -> Standing:
    assert known.place is not None
    line = known.line
    return Standing(line.name, known.place, line.priority, line.suspicion, line.waited_seconds, count)
