"""Valkey and PostgreSQL of one run, each behind a toxic proxy, to be crashed, emptied, paused and filled up."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis

from config.stack import valkey
from tests.chaos.processes import ROOT, Process

READY_SECONDS = 60.0


@dataclass
class Valkey:
    directory: Path

    def __post_init__(self) -> None:
        self.directory.mkdir(mode=0o700)
        self.socket = valkey.socket_in(self.directory)
        self.process = Process("valkey", valkey.command(self.directory, self.socket), {}, self.directory / "log")

    def start(self) -> None:
        self.process.start()
        deadline = time.monotonic() + READY_SECONDS
        while not valkey.answers(self.socket):
            assert time.monotonic() < deadline, f"Valkey did not start: see {self.process.log}"
            time.sleep(0.02)

    def lose_everything(self) -> None:
        """kill -9, and what was on its disk is gone as well. `start` brings an empty one."""
        self.process.kill()
        for name in self.directory.iterdir():
            if name.is_dir():
                shutil.rmtree(name)  # the append-only files

    def client(self) -> redis.Redis:
        """Around the proxy."""
        return redis.Redis(unix_socket_path=str(self.socket))


@dataclass
class Postgres:
    directory: Path

    @property
    def socket(self) -> Path:
        return self.directory / ".s.PGSQL.5432"

    @property
    def url(self) -> str:
        """Around the proxy."""
        return f"postgres://modelyard@/postgres?host={quote(str(self.directory))}"

    def url_at(self, port: int) -> str:
        return f"postgres://modelyard@127.0.0.1:{port}/postgres"

    def start(self) -> None:
        self._act("start", "-c", "max_connections=300", "-c", "shared_buffers=64MB")

    def stop(self, mode: str = "fast") -> None:
        self._act("stop", mode)

    def _act(self, act: str, *more: str) -> None:
        subprocess.run(
            [str(ROOT / "bin" / "postgres"), act, str(self.directory), *more],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=120,
        )
