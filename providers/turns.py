"""Deficit round robin in seconds of a slot: whose turn it is. Pure; `slots.lua` keeps the same order in Redis.

A round gives everybody who waits its weight's share, enough for each of them to start something. Within the round
the better rank goes first, then who has most of its share left, then who came first. A start is charged what it is
expected to take, and corrected by what it took.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

RANKS: Final[Mapping[str, int]] = {"interactive": 0, "normal": 1, "batch": 2}
AGEING_SECONDS: Final = 30.0  # without a start for so long: one rank up
MOST_DEBT_SECONDS: Final = 60.0  # for each weight; what is owed beyond is forgiven
UNKNOWN_SECONDS: Final = 1.0  # for a model of which nothing is known yet
_NEARLY: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Head:
    """What somebody would start next: how long it is expected to take, its rank, and since when it waits."""

    seconds: float = UNKNOWN_SECONDS
    rank: int = 0
    since: float = 0.0


@dataclass(slots=True)
class _Flow:
    weight: float
    deficit: float
    credited: float  # the rounds' total when it was last given its share


class Turns(Generic[K]):
    """Keeps account of everybody who starts something at one place."""

    def __init__(self) -> None:
        self._total = 0.0
        self._quantum = 0.0
        self._flows: dict[K, _Flow] = {}

    def join(self, who: K, weight: float = 1.0) -> None:
        """Before it stands among the heads. Who was away gets one round's share at most."""
        flow = self._flows.setdefault(who, _Flow(weight, 0.0, self._total - self._quantum))
        due = flow.deficit + flow.weight * (self._total - flow.credited)
        flow.deficit = min(due, max(flow.deficit, flow.weight * self._quantum))
        flow.credited, flow.weight = self._total, weight

    def next_of(self, heads: Mapping[K, Head]) -> K:
        """Whose turn it is among those that can start something now; at least one."""
        self._trim(heads)
        having = self._having(heads)
        if not having:
            self._begin_round(heads)
            having = self._having(heads)
        return min(having, key=lambda who: (heads[who].rank, -self._left(who), heads[who].since))

    def charge(self, who: K, seconds: float) -> None:
        """What it started takes so long; negative to give back."""
        flow = self._flows[who]
        flow.deficit = max(flow.deficit - seconds, -MOST_DEBT_SECONDS * flow.weight)

    def _having(self, heads: Mapping[K, Head]) -> list[K]:
        return [who for who, head in heads.items() if self._flows[who].deficit >= head.seconds - _NEARLY]

    def _left(self, who: K) -> float:
        flow = self._flows[who]
        return round(flow.deficit / flow.weight, 6)

    def _share(self, heads: Mapping[K, Head]) -> float:
        """One round's share for a weight of one, at what things cost now."""
        return max(head.seconds / self._flows[who].weight for who, head in heads.items())

    def _trim(self, heads: Mapping[K, Head]) -> None:
        """What is left beyond two rounds' shares came from a start that was far cheaper than expected."""
        share = self._share(heads)
        for who in heads:
            flow = self._flows[who]
            flow.deficit = min(flow.deficit, 2 * share * flow.weight)

    def _begin_round(self, heads: Mapping[K, Head]) -> None:
        """As many rounds as it takes until somebody may start; who owes may have to sit out more."""
        self._quantum = self._share(heads)
        rounds = min(self._rounds_until(who, head) for who, head in heads.items())
        dealt = max(1, rounds) * self._quantum
        self._total += dealt
        for who in heads:
            flow = self._flows[who]
            flow.deficit, flow.credited = flow.deficit + dealt * flow.weight, self._total

    def _rounds_until(self, who: K, head: Head) -> int:
        flow = self._flows[who]
        return ceil((head.seconds - flow.deficit) / (flow.weight * self._quantum) - _NEARLY)
