"""A worker's side of the arbiter: lines of queued jobs stand at their endpoints, and slots for them come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain, count

from providers.slot_desk import Desk, desk
from providers.slot_ledger import Claim, LedgerDown, Place
from providers.slots import Slot
from providers.turns import RANKS

__all__ = ["JobSlots", "LedgerDown", "Room", "Standing", "Suspicion"]


class Suspicion(IntEnum):
    """What a line's jobs are held to have done: see `providers.jobs.suspects`."""

    NONE = 0
    SUSPECT = 1  # were in a full process when it died
    COUNTED = 2  # a crash was counted against them


@dataclass(frozen=True, slots=True)
class Room:
    """How many more jobs may start in this process: ordinary ones, suspects, and those with a crash counted."""

    ordinary: int = 0
    suspect: int = 0
    counted: int = 0

    @property
    def any(self) -> int:
        return max(0, self.ordinary, self.suspect, self.counted)

    def of(self, suspicion: Suspicion) -> int:
        return max(0, (self.ordinary, self.suspect, self.counted)[suspicion])


@dataclass(frozen=True, slots=True)
class Standing:
    """A line of queued jobs at the place where they are counted; with a `count` of 0 it leaves."""

    line: str
    place: Place
    priority: str
    suspicion: Suspicion
    waited_seconds: float
    count: int


class JobSlots:
    """One for a worker's loop. `wake` is called when slots have come: `taken` gives them."""

    def __init__(self, room: Callable[[], Room], wake: Callable[[], None]) -> None:
        self._room_now = room
        self._wake = wake
        self._desk: Desk | None = None
        self._come: dict[str, list[Slot]] = {}
        self._numbers = count(1)

    def begin(self) -> None:
        """On the loop."""
        self._desk = desk()
        self._desk.run_jobs(self)

    def end(self) -> None:
        """Take no more. Slots that have come and were not taken go back."""
        if self._desk is not None:
            self._desk.run_jobs(None)
        for slot in chain.from_iterable(self.taken().values()):
            slot.give_back()

    async def ask(self, standing: Sequence[Standing], shares: Mapping[Place, int]) -> None:
        """Have these lines stand, or leave; then have so many slots at most dealt out at each place.

        Raises LedgerDown.
        """
        assert self._desk is not None
        if not standing and not shares:
            return
        await self._desk.ask_for_jobs(
            [(Claim(each.line, each.place, None), _words(each)) for each in standing],
            [(Claim("", place, None), str(most)) for place, most in shares.items()],
        )

    @property
    def waiting(self) -> int:
        """How many slots have come and were not taken yet."""
        return sum(map(len, self._come.values()))

    def taken(self) -> dict[str, list[Slot]]:
        """The slots that have come since, by line."""
        come, self._come = self._come, {}
        return come

    def unasked(self, place: Place) -> Slot:
        """A slot for a job that was started on the database's word, while the ledger could not be asked."""
        assert self._desk is not None
        claim = Claim(f"{self._desk.process}/unasked-{next(self._numbers)}", place, None)
        self._desk.hold_unasked(claim)
        return Slot(self._desk, claim, 0.0)

    # --- For the desk ---
    def room(self) -> str:
        room = self._room_now()
        return "|".join(str(room.of(suspicion)) for suspicion in Suspicion)

    def granted(self, line: str, claim: Claim) -> None:
        self._come.setdefault(line, []).append(Slot(self._desk, claim, 0.0))
        self._wake()


def _words(standing: Standing) -> str:
    waited_ms = max(0, int(standing.waited_seconds * 1000))
    return f"{RANKS[standing.priority]}/{int(standing.suspicion)}/{waited_ms}/{standing.count}"
