"""Real web processes on the test's own database and Redis, each with a memory of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import orjson
from django.conf import settings
from django.db import connection

from tests.factories import bearer
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 90.0
APPLICATION = "tests.providers.gateway.patient_web:application"


@dataclass(frozen=True)
class WebProcess:
    address: tuple[str, int]
    pid: int
    http: httpx.Client

    def post(self, path: str, body: Any, key: str) -> httpx.Response:
        return self.http.post(f"/v1/{path}", json=body, headers=bearer(key))

    def asking(self, body: Any, key: str) -> socket.socket:
        """A chat call over a bare socket, of whose answer nothing is read."""
        opened = socket.create_connection(self.address)
        sent = orjson.dumps(body)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self.address[0]}\r\nAuthorization: Bearer {key}\r\n"
        opened.sendall(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)
        return opened

    @property
    def memory_kib(self) -> int:
        """What of it is in memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])

    def is_ready(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def web_processes(count: int, folder: Path, **environment: Any) -> Iterator[list[WebProcess]]:
    wanted = {
        "DATABASE_URL": _database_url(),
        "REDIS_URL": settings.REDIS_URL,
        "STATE_DIR": str(folder),
        "ACCESS_LOG_SAMPLE": "0",
        **environment,
    }
    started: list[tuple[WebProcess, subprocess.Popen[bytes]]] = []
    with (folder / "web.log").open("ab") as log:
        try:
            started += [_start({**os.environ, **wanted}, log) for _ in range(count)]
            for process, _ in started:
                wait_for(process.is_ready, seconds=START_SECONDS)
            yield [process for process, _ in started]
        finally:
            for process, child in started:
                process.http.close()
                child.kill()
                child.wait()


def _start(environment: dict[str, str], log: Any) -> tuple[WebProcess, subprocess.Popen[bytes]]:
    """Give it a socket that listens already: nobody else can take the port meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        child = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", APPLICATION, "--fd", str(listening.fileno())],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            pass_fds=[listening.fileno()],
        )
        host, port = listening.getsockname()
    limits = httpx.Limits(max_keepalive_connections=0)  # the server may close a kept one just when it is used again
    client = httpx.Client(base_url=f"http://{host}:{port}", timeout=60, trust_env=False, limits=limits)
    return WebProcess((host, port), child.pid, client), child


def _database_url() -> str:
    """Of the test's own database."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
