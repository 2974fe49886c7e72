"""The project's processes as a nemesis sees them: started, killed, stopped, woken, measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from config.stack import tether

ROOT = Path(__file__).resolve().parents[2]
LOOKS_AT_THE_TABLE = 20  # while connections come and go, a reading of it may leave out one that stands
TCP_TABLE = Path("/proc/net/tcp")
OPEN, LISTENING = "01", "0A"
STATES = {OPEN: "open", "06": "time-wait", "08": "close-wait", LISTENING: "listening"}


@dataclass
class Process:
    """`start` may be called again after the end. Ends with the harness, however that ends (from its main thread)."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    popen: subprocess.Popen[bytes] | None = None
    started_at: float = field(default=0.0)

    def start(self) -> None:
        assert self.popen is None or self.popen.poll() is not None, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, tether.__file__, str(os.getpid()), *self.command],
                cwd=ROOT,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.started_at = time.time()

    @property
    def pid(self) -> int:
        assert self.popen is not None
        return self.popen.pid

    @property
    def is_alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def kill(self) -> None:
        self._send(signal.SIGKILL)
        assert self.popen is not None
        self.popen.wait(60)

    def freeze(self) -> None:
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def wait(self, seconds: float) -> int:
        assert self.popen is not None
        return self.popen.wait(seconds)

    def _send(self, number: int) -> None:
        assert self.popen is not None
        self.popen.send_signal(number)

    def rss_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def connections(self) -> Counter[str]:
        """Open TCP connections by the port of the other end, or of this one where it listens; with their state."""
        mine = set(self._inodes())
        lines = [line.split() for line in TCP_TABLE.read_text().splitlines()[1:]]
        own = {fields[1] for fields in lines if fields[9] in mine and fields[3] == LISTENING}
        return Counter(_described(fields, own) for fields in lines if fields[9] in mine)

    def _inodes(self) -> Iterator[str]:
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(OSError):  # closed at this moment
                target = str(entry.readlink())
                if target.startswith("socket:["):
                    yield target[8:-1]

    def has_socket(self, inode: str) -> bool:
        try:
            return inode in set(self._inodes())
        except OSError:  # it ends at this moment
            return False


def _described(fields: list[str], listening: set[str]) -> str:
    end = fields[1] if fields[1] in listening else fields[2]
    return f"{int(end.rpartition(':')[2], 16)} {STATES.get(fields[3], fields[3])}"


def owner_of_connection(port: int, to_port: int, among: list[Process]) -> Process | None:
    """Which of our processes holds the open TCP connection of loopback from `port` to `to_port`.

    Both ports are looked at: the system gives one local port to connections with different other ends, those of which
    have just been closed among them.
    """
    for _ in range(LOOKS_AT_THE_TABLE):
        inode = _inode_of(port, to_port)
        if inode is not None:
            return next((one for one in among if one.is_alive and one.has_socket(inode)), None)
    return None


def _inode_of(port: int, to_port: int) -> str | None:
    rows = (line.split() for line in TCP_TABLE.read_text().splitlines()[1:])
    wanted = (f":{port:04X}", f":{to_port:04X}", OPEN)
    return next((row[9] for row in rows if (row[1][-5:], row[2][-5:], row[3]) == wanted), None)
