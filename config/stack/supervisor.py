"""A tree of children that comes up in order, is kept up, and goes down in order, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from config.stack.child import Child, Spec

R = TypeVar("R")


class Supervisor:
    """`stop_order` names all children that there may be; the last ones hold what the first ones need."""

    def __init__(self, say: Callable[[str], None], *, stop_order: Sequence[str]) -> None:
        self.say = say
        self.stop_order = stop_order
        self.children: dict[str, Child] = {}
        self._runs: list[asyncio.Task[None]] = []

    def start(self, *specs: Spec) -> None:
        for spec in specs:
            child = self.children[spec.name] = Child(spec, self.say)
            self._runs.append(asyncio.create_task(child.run(), name=spec.name))

    async def ready(self, *names: str) -> None:
        """Wait until each of them is. Raises ChildFailed when one cannot come up."""
        await self.during(asyncio.gather(*(self.children[name].is_ready.wait() for name in names)))

    async def during(self, work: Awaitable[R]) -> R:
        """What the work gives. Raises ChildFailed as soon as a child cannot come up, and then the work is cancelled."""
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait({working, *self._runs}, return_when=asyncio.FIRST_COMPLETED)
            for run in self._runs:
                if run.done():
                    run.result()
            return await working
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def stop(self) -> None:
        """End every child, in order."""
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)
        for name in self.stop_order:
            if name in self.children:
                await self.children[name].stop()

    def kill(self) -> None:
        """End every child at once: for a second Ctrl-C."""
        for child in self.children.values():
            child.kill()
