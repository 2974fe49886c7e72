"""Jobs that were in a full process when it died: they run again two at a time, so that the one who kills it is found.

A crash counts against a job only where at most two ran. A process with suspects waiting therefore lets its other work
end first; where that takes too long the suspects run beside it, and a crash then counts for nobody again. A job that a
crash has counted against runs alone from then on: of two that died together, the harmless one must not die with the
other again.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Final

from providers.job_slots import Room, Suspicion
from providers.jobs.attempt import Attempt

AT_ONCE: Final = 2
PATIENCE_SECONDS: Final = 60.0


class Quarantine:
    def __init__(self) -> None:
        self._waits_since: float | None = None

    def room(
        self, free: int, running: Collection[Attempt], *, oldest_suspect: Suspicion | None, starting: int = 0
    ) -> Room:
        """Who may start here, where `free` more would fit. Suspects come first where the process is quiet enough.

        `starting` are about to run; which of them are suspects is not known yet.
        """
        quiet = (1 if oldest_suspect is Suspicion.COUNTED else AT_ONCE) - len(running) - starting
        if oldest_suspect is None or quiet > 0:
            self._waits_since = None
        if oldest_suspect is None:
            return self.room_beside(free, running, starting)
        if self._has_waited():
            return Room(free, free, free)
        fits = min(quiet, self.room_beside(free, running, starting).ordinary)
        return Room(counted=fits) if oldest_suspect is Suspicion.COUNTED else Room(suspect=fits)

    def room_beside(self, free: int, running: Collection[Attempt], starting: int = 0) -> Room:
        """For ordinary jobs, where no suspect could start: few, while one runs where it can be judged."""
        if len(running) <= AT_ONCE and any(attempt.job.is_suspect for attempt in running):
            together = 1 if any(attempt.job.crashes for attempt in running) else AT_ONCE
            return Room(min(free, together - len(running) - starting))
        return Room(free)

    def _has_waited(self) -> bool:
        now = time.monotonic()
        if self._waits_since is None:
            self._waits_since = now
        return now - self._waits_since > PATIENCE_SECONDS
