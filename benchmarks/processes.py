"""Processes pinned to a core each, and what they use of it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVER_CORE = 0
LOAD_CORE = 1  # the load, the model server, Valkey and PostgreSQL
START_SECONDS = 120.0
STOP_SECONDS = 15.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def stay_on_load_core() -> None:
    """This process and all it starts, but for the servers under test."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > LOAD_CORE:
        os.sched_setaffinity(0, {LOAD_CORE})


def pinned(core: int, *command: str) -> list[str]:
    return ["taskset", "-c", str(core), *command] if shutil.which("taskset") else list(command)


@contextmanager
def running(
    core: int, *command: str, port: int | None = None, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Iterator[int]:
    """A process for as long as the block lasts; gives its id, once the port answers where one is named."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            pinned(core, *command),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdout=said,
            stderr=said,
            process_group=0,
        )
        try:
            if port is not None and not _answers(port, process):
                said.seek(0)
                sys.exit(f"A server of the benchmark did not start: {command}\n{said.read().decode()[-2000:]}")
            yield process.pid
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """With all that it has started: some servers leave their workers behind."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False


def run(env: Mapping[str, str], *command: str) -> str:
    """A Python command of the project, to its end. Gives what it printed."""
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def family(pid: int) -> list[int]:
    """A process and all below it: servers with workers count whole."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and those below it, their threads included."""
    return sum(_ticks(each) for each in family(pid)) / TICKS_PER_SECOND


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def rss_mib(pid: int) -> float:
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
