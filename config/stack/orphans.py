"""What a child leaves behind when it dies: taken over from the kernel, ended and buried (Linux; elsewhere nothing)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def adopt() -> None:
    """Have orphans below this process become its children, instead of init's."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_group(group: int) -> None:
    """Kill a process group whose leader is ours, and bury what of it has become ours."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    for process, its_group in _own_children():
        if its_group == group and process != group:  # the leader is waited for elsewhere
            _bury(process)


def end_all() -> None:
    """Kill everything below this process, generation by generation."""
    while left := list(_own_children()):
        for process, _ in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            _bury(process)


def _bury(process: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(process, 0)


def _own_children() -> Iterator[tuple[int, int]]:
    """Process id and group of each."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            facts = entry.read_text().rpartition(")")[2].split()
        except OSError:  # gone meanwhile
            continue
        parent, group = int(facts[1]), int(facts[2])
        if parent == os.getpid():
            yield int(entry.parent.name), group
