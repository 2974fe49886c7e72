"""One process of the stack: started, watched until it is ready, started again when it dies, ended with its group."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from config.stack import orphans, tether
from config.stack.options import ROOT

TRIES = 5  # for a child that has never been ready since bin/up began
START_SECONDS = 60.0  # of one try
HOPE_SECONDS = 150.0  # of all tries together, where a child hangs instead of dying
PAUSE_SECONDS = 0.5  # before a child that died is started again: well within the promised 2 s
LOOK_SECONDS = 0.1

Ready = Callable[[int], Awaitable[bool]]  # given the process id


class ChildFailed(Exception):
    """A child that could not come up since bin/up began; the message is one line."""


@dataclass(frozen=True)
class Spec:
    """What to run, and when it counts as ready. `stop_seconds` is what it gets to end by itself."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    ready: Ready
    stop_seconds: float = 10.0
    kept_open: Sequence[int] = ()


@dataclass
class Child:
    spec: Spec
    say: Callable[[str], None]
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    has_been_ready: bool = False
    process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Keep it running until cancelled. Raises ChildFailed when it cannot come up at first."""
        tries, began = 0, time.monotonic()
        while True:
            tries += 1
            ending = await self._live_once()
            if not self.has_been_ready and (tries >= TRIES or time.monotonic() - began > HOPE_SECONDS):
                raise ChildFailed(
                    f"The {self.spec.name} did not come up ({tries} tries, {ending}). {self._last_words()}"
                )
            self.say(f"{self.spec.name} {ending}; starting it again")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _live_once(self) -> str:
        """One life, from start to end. Gives how it ended."""
        process = self.process = await self._start()
        watch = asyncio.create_task(self._watch(process))
        try:
            status = await process.wait()
        finally:
            watch.cancel()
            self.is_ready.clear()
        orphans.end_group(process.pid)  # what it started must not outlive it
        if watch.done() and not watch.cancelled() and watch.result():
            return f"was not ready within {START_SECONDS:g} s"
        return f"ended (signal {-status})" if status < 0 else f"ended (status {status})"

    async def _start(self) -> asyncio.subprocess.Process:
        with self.spec.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *[sys.executable, tether.__file__, str(os.getpid()), *self.spec.command],
                cwd=ROOT,
                env=self.spec.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=self.spec.kept_open,
            )

    async def _watch(self, process: asyncio.subprocess.Process) -> bool:
        """Look until it is ready. True when it was not in time, and was killed for it."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if await self.spec.ready(process.pid):
                self.has_been_ready = True
                self.is_ready.set()
                return False
            await asyncio.sleep(LOOK_SECONDS)
        process.kill()
        return True

    async def stop(self) -> None:
        """Ask it to end, and after its time end it. To be called when `run` has been cancelled."""
        process = self.process
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self.spec.stop_seconds)
        orphans.end_group(process.pid)
        await process.wait()

    def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            orphans.end_group(self.process.pid)

    def _last_words(self) -> str:
        lines = self.spec.log.read_text(errors="replace").splitlines() if self.spec.log.exists() else []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        return f"See {self.spec.log}: {last[:300]}"
