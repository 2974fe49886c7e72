"""How many wait in a line, counted anew when the figure is half a second old: counting 10,000 rows is dear."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final

FRESH_SECONDS: Final = 0.5
MOST_REMEMBERED: Final = 10_000


class Depth:
    """`count` asks the database. What this process adds between two counts is counted here."""

    def __init__(self, count: Callable[[Any], int]) -> None:
        self._count = count
        self._known: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def of(self, line: Hashable) -> int:
        counted_at, figure = self._known.get(line, (0.0, 0))
        if time.monotonic() - counted_at > FRESH_SECONDS:
            figure = self._count(line)
            self._remember(line, time.monotonic(), figure)
        return figure

    def add(self, line: Hashable) -> int:
        """One more; how many there are with it."""
        figure = self.of(line) + 1
        self._remember(line, self._known[line][0], figure)
        return figure

    def _remember(self, line: Hashable, counted_at: float, figure: int) -> None:
        self._known[line] = (counted_at, figure)
        self._known.move_to_end(line)
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
