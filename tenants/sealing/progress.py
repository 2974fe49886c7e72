"""How far a rotation has come, and whom it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Tally:
    """`unreadable` rows did not open with the key that they name; they are left as they are."""

    tenants: int = 0
    moved: int = 0
    unreadable: int = 0


Report = Callable[[Tally, str], None]  # the tally so far, and what is being worked on
