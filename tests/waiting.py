"""Wait on a condition with a deadline; never on a length of time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.01
DEADLINE_SECONDS = 30.0  # a busy machine may stand still for seconds; who waits in vain fails anyhow


def wait_for(condition: Callable[[], T], *, seconds: float = DEADLINE_SECONDS) -> T:
    """The first true value of `condition`. Fails the test when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(
                f"Not within {seconds:g} s: {getattr(condition, '__name__', condition)!r} gave {found!r}"
            )
        time.sleep(POLL_SECONDS)
    return found


async def wait_until(condition: Callable[[], T], *, seconds: float = DEADLINE_SECONDS) -> T:
    """The same on an event loop."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(
                f"Not within {seconds:g} s: {getattr(condition, '__name__', condition)!r} gave {found!r}"
            )
        await asyncio.sleep(POLL_SECONDS)
    return found
