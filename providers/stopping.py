"""One word to everything that streams in this process: we are being stopped, end in good order.

uvicorn runs lifespan shutdown only when all answers have ended, so a stream that waits for its upstream or its
job must wait for this as well. `config/stopping.py` sets it on SIGTERM and SIGINT.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from weakref import WeakKeyDictionary


class Stopping:
    """An event that a signal handler may set and that streams of any loop may wait for."""

    def __init__(self) -> None:
        self._is_set = False
        self._events: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Event] = WeakKeyDictionary()

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        for loop, event in list(self._events.items()):
            with suppress(RuntimeError):  # that loop has ended already
                loop.call_soon_threadsafe(event.set)

    def clear(self) -> None:
        self._is_set = False
        self._events.clear()

    async def wait(self) -> None:
        """Returns once the process is being stopped; to be raced against what a stream waits for."""
        event = self._events.setdefault(asyncio.get_running_loop(), asyncio.Event())
        if not self._is_set:
            await event.wait()


stopping = Stopping()
