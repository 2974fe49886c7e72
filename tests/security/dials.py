"""Every address that this process dials, told by Python's own audit events: seen, not inferred from what was answered.

A dial beyond loopback is noted and then refused, so that the tests may name any address and no packet leaves.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Place = tuple[str, int]


@dataclass
class Dials:
    """What was dialled while it was watched, but for the tests' own calls to the web process."""

    ours: Place
    seen: list[Place] = field(default_factory=list)

    @property
    def places(self) -> set[Place]:
        return set(self.seen)


_lock = threading.Lock()
_watching: list[Dials] = []


def _note(event: str, args: tuple[Any, ...]) -> None:
    if event not in ("socket.connect", "socket.sendto") or not _watching or not isinstance(args[-1], tuple):
        return
    place = (str(args[-1][0]), int(args[-1][1]))
    with _lock:
        for dials in _watching:
            if place != dials.ours:
                dials.seen.append(place)
    if not (place[0].startswith("127.") or place[0] == "::1"):
        raise ConnectionRefusedError(111, "refused by the test: nothing leaves this machine")


_installed: list[bool] = []


@contextmanager
def watched(ours: Place) -> Iterator[Dials]:
    """`ours` is where the web process listens."""
    if not _installed:
        sys.addaudithook(_note)  # for good: Python takes none away
        _installed.append(True)
    dials = Dials(ours)
    _watching.append(dials)
    try:
        yield dials
    finally:
        _watching.remove(dials)
