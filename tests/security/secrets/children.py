"""Processes of one's own, forked: they start at once, and share nothing with the test but a pipe."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from django.db import connections

FORK = multiprocessing.get_context("fork")
SECONDS = 120  # for a child's last word


@dataclass(frozen=True)
class Child:
    process: BaseProcess
    pipe: Connection

    def word(self) -> Any:
        """The next thing that it says."""
        assert self.pipe.poll(SECONDS), "the child says nothing"
        return self.pipe.recv()

    def ended(self) -> Any:
        """Tell it to stop; its last word."""
        self.pipe.send("stop")
        return self.word()

    def kill(self) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()
        assert self.process.exitcode == -signal.SIGKILL


@contextmanager
def child(work: Callable[[Connection], None]) -> Iterator[Child]:
    """Run `work(pipe)` in a process of its own, which is gone when the block ends."""
    connections.close_all()  # a connection shared by two processes serves neither
    here, there = FORK.Pipe()
    process = FORK.Process(target=work, args=(there,))
    process.start()
    there.close()
    try:
        yield Child(process, here)
    finally:
        process.kill()
        process.join()
        here.close()


def told_to_stop(pipe: Connection) -> bool:
    return pipe.poll(0)
