"""When a serving process looks for cyclic garbage: rarely, and never among what it is made of.

Python's defaults look after every 700 new objects, and through all the modules each time a quarter more has come to
stay. That was a tenth of all time in a busy worker, in pauses that streams could feel. What calls leave behind ends
by its count of references; few cycles are left to find.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 20_000  # that have come since the last look; they take a few MiB
MIDDLE_LOOKS: Final = 20
FULL_LOOKS: Final = 20


def look_rarely() -> None:
    """For a process that has all its modules and begins to serve; a second time changes nothing."""
    if gc.get_freeze_count() == 0:
        gc.collect()
        gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, MIDDLE_LOOKS, FULL_LOOKS)
