"""The name under which this process holds leases: it tells, on the same machine, whether that process still lives.

The machine is its host name and its process-id namespace: two containers that share a host name do not take each
other's workers for dead. The start time tells a process from a later one with the same number.
"""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path
from typing import Final

_START_TIME_FIELD: Final = 19  # of what follows the command's name in /proc/<pid>/stat


def this_process() -> str:
    return _name_of(os.getpid())


def is_gone(owner: str) -> bool:
    """True only where it is certain: the name is of this machine, and no such process runs here."""
    machine, _, process = owner.partition("/")
    pid, _, started = process.partition("/")
    if machine != _machine() or not pid.isdigit() or not started:
        return False
    return _started(int(pid)) != started


@lru_cache(maxsize=4)
def _name_of(pid: int) -> str:
    return f"{_machine()}/{pid}/{_started(pid)}"[:100]


@lru_cache(maxsize=1)
def _machine() -> str:
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:  # not Linux
        namespace = ""
    return f"{socket.gethostname()[:40]}.{namespace}"


def _started(pid: int) -> str:
    """Empty where there is no such process, or no way to know; a zombie counts as gone."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if facts[0] == "Z" else facts[_START_TIME_FIELD]
