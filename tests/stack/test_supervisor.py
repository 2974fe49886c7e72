"""The tree is kept up, and goes down in order with all that belongs to it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from config.stack.child import ChildFailed, Spec
from config.stack.supervisor import Supervisor

WAITS = "import time; time.sleep(600)"
SAYS_WHEN_IT_ENDS = """
import signal, sys, time
def end(*_):
    open(sys.argv[1], "a").write(sys.argv[2] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
open(sys.argv[1] + "." + sys.argv[2], "w").close()
time.sleep(600)
"""
HAS_A_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(600)
"""
DEAF = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "w").close()
time.sleep(600)
"""


async def at_once(_process_id: int) -> bool:
    return True


async def never(_process_id: int) -> bool:
    return False


def when_there(path: Path) -> Callable[[int], object]:
    async def ready(_process_id: int) -> bool:
        return path.exists()

    return ready


def tiny(folder: Path, name: str, code: str, *arguments: object, ready=at_once, stop_seconds: float = 60.0) -> Spec:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return Spec(name, command, os.environ, folder / f"{name}.log", ready, stop_seconds)


@asynccontextmanager
async def supervising(*specs: Spec, stop_order: tuple[str, ...] = ("child",)) -> AsyncIterator[tuple[Supervisor, list]]:
    lines: list[str] = []
    supervisor = Supervisor(lines.append, stop_order=stop_order)
    supervisor.start(*specs)
    try:
        yield supervisor, lines
    finally:
        await supervisor.stop()


async def eventually(condition: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def lives(process_id: int) -> bool:
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:  # it ends at this moment
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


class Pauses:
    """`asyncio` as children see it: notes how long they choose to wait. What the machine takes is not theirs."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(seconds)


async def test_a_child_that_dies_is_started_again_within_two_seconds_and_one_line_says_so(tmp_path, monkeypatch):
    pauses = Pauses()
    monkeypatch.setattr("config.stack.child.asyncio", pauses)
    async with supervising(tiny(tmp_path, "child", WAITS)) as (supervisor, lines):
        await supervisor.ready("child")
        first = supervisor.children["child"].process
        pauses.seconds.clear()
        os.kill(first.pid, signal.SIGKILL)
        await eventually(lambda: supervisor.children["child"].process is not first)
        assert sum(pauses.seconds) < 2
        assert lines == ["child ended (signal 9); starting it again"]


async def test_it_is_started_again_more_often_than_a_child_that_never_came_up(tmp_path):
    async with supervising(tiny(tmp_path, "child", "")) as (supervisor, lines):
        await supervisor.ready("child")
        await eventually(lambda: len(lines) >= 6, seconds=60)


async def test_a_child_that_cannot_come_up_ends_the_start_after_five_tries_with_its_last_words(tmp_path):
    broken = tiny(tmp_path, "child", "import sys; sys.exit('no such table')", ready=never)
    async with supervising(broken) as (supervisor, lines):
        with pytest.raises(ChildFailed, match=r"^The child did not come up \(5 tries, .*no such table$"):
            await supervisor.ready("child")
        assert len(lines) == 4


async def test_what_a_child_started_ends_with_it(tmp_path):
    note = tmp_path / "grandchild"
    parent = tiny(tmp_path, "child", HAS_A_CHILD, note, ready=when_there(note))
    async with supervising(parent) as (supervisor, _):
        await supervisor.ready("child")
        await eventually(note.read_text)
        grandchild = int(note.read_text())
        os.kill(supervisor.children["child"].process.pid, signal.SIGKILL)
        await eventually(lambda: not lives(grandchild))


async def test_children_end_in_the_order_that_was_given(tmp_path):
    ended = tmp_path / "ended"
    names = ("web", "worker", "valkey")
    specs = [
        tiny(tmp_path, name, SAYS_WHEN_IT_ENDS, ended, name, ready=when_there(tmp_path / f"ended.{name}"))
        for name in ("valkey", "worker", "web")
    ]
    async with supervising(*specs, stop_order=names) as (supervisor, _):
        await supervisor.ready(*names)
    assert ended.read_text().split() == ["web", "worker", "valkey"]


async def test_a_child_that_does_not_end_in_its_time_is_killed(tmp_path):
    note = tmp_path / "deaf"
    deaf = tiny(tmp_path, "child", DEAF, note, ready=when_there(note), stop_seconds=0.3)
    async with supervising(deaf) as (supervisor, _):
        await supervisor.ready("child")
        process = supervisor.children["child"].process
    assert process.returncode == -signal.SIGKILL


async def test_work_ends_at_once_when_a_child_cannot_come_up(tmp_path):
    async with supervising(tiny(tmp_path, "child", "", ready=never)) as (supervisor, _):
        with pytest.raises(ChildFailed):
            await supervisor.during(asyncio.Event().wait())
