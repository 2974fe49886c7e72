"""One breaker: closed, open for a while, then half open for one probe. Pure but for the clock it is told."""

from __future__ import annotations

import random
from typing import Final

from django.conf import settings

PROBE_SECONDS: Final = 60.0  # how long one probe keeps the others waiting
WHILE_PROBED_SECONDS: Final = 2.0  # when to ask again
FURTHEST_SECONDS: Final = 600.0  # what another process may tell: its clock may be wrong


class Breaker:
    """Of a provider or of a model entry. Times are of `time.time()`: processes tell them to each other."""

    __slots__ = ("code", "faults", "probed_until", "rests", "until")

    def __init__(self) -> None:
        self.faults = 0  # in a row
        self.rests = 0  # in a row
        self.code = ""  # of the last fault
        self.until: float | None = None  # None: closed
        self.probed_until = 0.0

    def refuses_for(self, now: float) -> float:
        """Seconds for which a call is refused; 0.0 where it may go."""
        if self.until is None:
            return 0.0
        if now < self.until:
            return self.until - now
        return WHILE_PROBED_SECONDS if now < self.probed_until else 0.0

    def is_half_open(self, now: float) -> bool:
        return self.until is not None and now >= self.until

    def begin_probe(self, now: float) -> None:
        self.probed_until = now + PROBE_SECONDS

    def leave_it_to_the_other(self, now: float) -> None:
        """Another process has the probe."""
        self.probed_until = now + WHILE_PROBED_SECONDS

    def end_probe(self) -> None:
        self.probed_until = 0.0

    def fault(self, code: str, now: float) -> bool:
        """Count a fault. True when it opens the breaker; calls that were on their way when it opened do not count."""
        if self.until is not None and now < self.until:
            return False
        self.faults += 1
        self.code = code
        if self.faults < settings.BREAKER_FAULTS:
            return False
        self.rests += 1
        self.until = now + self._length()
        self.end_probe()
        return True

    def hear_of_fault(self, code: str) -> None:
        """Another process has met one: it counts here as well, but only a fault of our own opens the breaker."""
        if self.until is None:
            self.faults = min(self.faults + 1, settings.BREAKER_FAULTS - 1)
            self.code = code

    def adopt(self, *, until: float, rests: int, code: str, now: float) -> None:
        """Be as open as another process has found it to be."""
        self.until = min(until, now + FURTHEST_SECONDS)
        self.rests, self.code = rests, code
        self.faults = settings.BREAKER_FAULTS
        self.end_probe()

    def let_in(self) -> None:
        """Closed on trial: the first token of an answer has come. Another fault before its end opens it again."""
        self.until = None
        self.faults = settings.BREAKER_FAULTS - 1
        self.end_probe()

    def _length(self) -> float:
        seconds = min(settings.BREAKER_MOST_SECONDS, settings.BREAKER_FIRST_SECONDS * 2 ** (self.rests - 1))
        return float(seconds * random.uniform(0.9, 1.1))  # noqa: S311 - spreads a herd, guards nothing
