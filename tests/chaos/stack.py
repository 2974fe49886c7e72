"""The system of one run: database, Valkey and upstream behind proxies, real web, worker and scheduler processes."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx

from config.stack.preflight import free_port
from tests.chaos.processes import Process
from tests.chaos.servers import Postgres, Valkey
from tests.chaos.toxic import ToxicProxy
from tests.chaos.upstream import ScriptedUpstream

Database = Literal["sqlite", "postgres"]

READY_SECONDS = 300.0
SQLITE = "chaos.sqlite3"
LOCK_SECONDS = 2.0  # those who run hold it for less
CELERY = [sys.executable, "-m", "celery", "-A", "config"]
WORKER = [*CELERY, "worker", "-P", "threads", "-c", "2", "-l", "WARNING"]
WORKER += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
BEAT = [*CELERY, "beat", "--pidfile", "", "-l", "WARNING"]
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "KEYRING": "chaos:" + base64.b64encode(bytes(range(32))).decode(),
    "SECRET_KEY": "chaos-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789",
    "HTTPS_ONLY": "false",
    "EGRESS_ALLOW": "127.0.0.0/8",
    "WORKER_CONCURRENCY": "24",
    "WORKER_DRAIN_SECONDS": "5",
    "WEB_DRAIN_SECONDS": "5",
    "JOB_RESULT_MAX_BYTES": str(4 * 1024 * 1024),
}


@dataclass
class Stack:
    directory: Path
    valkey: Valkey
    postgres: Postgres | None
    redis_proxy: ToxicProxy
    database_proxy: ToxicProxy | None
    upstream: ScriptedUpstream
    upstream_proxy: ToxicProxy
    environment: dict[str, str]  # of the processes: through the proxies
    port: int
    workers: list[Process] = field(default_factory=list)
    is_ending: bool = False

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def all(self) -> list[Process]:
        return [self.web, self.scheduler, *self.workers]

    # --- Web and scheduler ---
    def start(self, workers: int) -> None:
        self.web = self._process("web", self._web_command())
        self.scheduler = self._process("scheduler", BEAT)
        self.workers = [self._process(f"worker{number}", [*WORKER, "-n", f"w{number}@%h"]) for number in range(workers)]
        for process in self.all:
            process.start()

    def _web_command(self) -> list[str]:
        command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--no-access-log", "--no-server-header", "--no-proxy-headers"]
        # Far beyond the callers' own: a process that stood still would close a connection that is just used again.
        command += ["--timeout-keep-alive", "60"]
        return [*command, "--timeout-graceful-shutdown", "10"]

    def _process(self, name: str, command: list[str]) -> Process:
        return Process(name, command, self.environment, self.logs / f"{name}.log")

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Web answers, and every worker that lives has said so."""
        deadline = time.monotonic() + seconds
        async with httpx.AsyncClient(trust_env=False) as client:
            while not (await self._answers(client) and all(self.is_ready(worker) for worker in self.workers)):
                assert time.monotonic() < deadline, f"not ready within {seconds:g} s: see {self.logs}"
                self.restart_dead()
                await asyncio.sleep(0.1)

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        try:
            return (await client.get(f"{self.url}/healthz")).status_code == 200
        except httpx.TransportError:
            return False

    def is_ready(self, worker: Process) -> bool:
        """It has said that it is here, in Redis and since it was started."""
        name = f"{socket.gethostname()}:{worker.pid}"
        said_at = self.valkey.client().zscore("modelyard:workers", name)
        return worker.is_alive and said_at is not None and float(said_at) >= worker.started_at

    def restart_dead(self) -> list[Process]:
        """As a supervisor does. In the harness's main thread."""
        dead = [] if self.is_ending else [process for process in self.all if not process.is_alive]
        for process in dead:
            process.start()
        return dead

    async def supervise(self) -> None:
        while True:
            self.restart_dead()
            await asyncio.sleep(0.2)

    async def freeze(self, process: Process) -> None:
        """Stop it, but not while it holds the lock of SQLite's only writer: until it was woken nobody could submit."""
        process.freeze()
        while self.postgres is None and not await asyncio.to_thread(_may_be_written, self.directory / SQLITE):
            process.thaw()
            await asyncio.sleep(0.05)
            process.freeze()

    def stop(self) -> None:
        self.is_ending = True
        for process in self.all:
            if process.is_alive:
                process.kill()


@contextmanager
def running(directory: Path, database: Database, *, workers: int) -> Iterator[Stack]:
    """Everything but the tenants. Sets this process's environment: Django reads it afterwards."""
    with ExitStack() as held:
        valkey = Valkey(directory / "valkey")
        valkey.start()
        held.callback(lambda: valkey.process.is_alive and valkey.process.kill())
        redis_proxy = held.enter_context(ToxicProxy(valkey.socket))
        postgres = Postgres(directory / "pg") if database == "postgres" else None
        database_proxy = None
        direct = proxied = f"sqlite:///{directory / SQLITE}"
        if postgres is not None:
            postgres.start()
            held.callback(postgres.stop, "immediate")
            database_proxy = held.enter_context(ToxicProxy(postgres.socket))
            direct, proxied = postgres.url, postgres.url_at(database_proxy.port)
        upstream = held.enter_context(ScriptedUpstream())
        upstream_proxy = held.enter_context(ToxicProxy(upstream.port))
        state = directory / "state"
        (directory / "logs").mkdir()
        state.mkdir()
        ours = {**SETTINGS, "STATE_DIR": str(state)}
        os.environ.update(ours, DATABASE_URL=direct, REDIS_URL=f"unix://{valkey.socket}?db=0")
        environment = {**os.environ, "DATABASE_URL": proxied, "REDIS_URL": f"redis://127.0.0.1:{redis_proxy.port}/0"}
        stack = Stack(
            *(directory, valkey, postgres, redis_proxy, database_proxy, upstream, upstream_proxy, environment),
            port=free_port(),
        )
        held.callback(stack.stop)
        _migrate()
        stack.start(workers)
        yield stack


def _may_be_written(database: Path) -> bool:
    from pysqlite3 import dbapi2 as sqlite

    with closing(sqlite.connect(str(database), timeout=LOCK_SECONDS, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite.OperationalError:
            return False
    return True


def _migrate() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from tests.chaos import row_log

    row_log.install()
