"""One installation of this project for the benchmark: its state, its rows, its processes."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import OURS, Contender, uvicorn
from benchmarks.processes import SERVER_CORE, run, running
from config.stack.preflight import free_port

CELERY_OPTIONS = ["-P", "threads", "-c", "8", "--loglevel", "WARNING"]
CELERY_OPTIONS += ["--without-gossip", "--without-mingle", "--without-heartbeat"]


@dataclass
class Installation:
    """Everything on: key check, request limit, slot, metering, redaction; a sampled access log."""

    env: dict[str, str]
    key: str

    @contextmanager
    def web(self, name: str = OURS, workers: int = 1) -> Iterator[Contender]:
        port = free_port()
        metrics = Path(self.env["PROMETHEUS_MULTIPROC_DIR"]) / str(port)
        metrics.mkdir()
        command = uvicorn("config.asgi:application", port, "--workers", str(workers))
        env = {**self.env, "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
        with running(SERVER_CORE, *command, port=port, env=env) as pid:
            yield Contender(name, f"http://127.0.0.1:{port}", self.key, pid)

    @contextmanager
    def worker(self, core: int = SERVER_CORE) -> Iterator[int]:
        command = [sys.executable, "-m", "celery", "-A", "config", "worker", *CELERY_OPTIONS]
        with running(core, *command, env=self.env) as pid:
            yield pid

    def run(self, *command: str) -> str:
        return run(self.env, *command)


def install(directory: Path, redis_url: str, upstream_url: str, database_url: str | None = None) -> Installation:
    """A migrated database with one tenant, one provider that names the model server, one model and one key."""
    (directory / "metrics").mkdir(parents=True)
    env = _environment(directory, redis_url, database_url or f"sqlite:///{directory}/bench.sqlite3")
    run(env, "manage.py", "migrate", "--verbosity", "0")
    key = run(env, "-m", "benchmarks.seed", "tenant", upstream_url).strip().splitlines()[-1]
    return Installation(env, key)


def _environment(state: Path, redis_url: str, database_url: str) -> dict[str, str]:
    return {
        "STATE_DIR": str(state),
        "SECRET_KEY": "bench-" + "k" * 60,
        "KEYRING": "bench:" + base64.b64encode(bytes(range(32))).decode(),
        "REDIS_URL": redis_url,
        "REDIS_PREFIX": state.name,
        "DATABASE_URL": database_url,
        "EGRESS_ALLOW": "127.0.0.0/8",
        "HTTPS_ONLY": "0",
        "ALLOWED_HOSTS": "127.0.0.1",
        "ACCESS_LOG_SAMPLE": os.environ.get("ACCESS_LOG_SAMPLE", "0.01"),
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "INFO"),
        "QUEUE_MAX_PER_TENANT": "10000000",
        "PROMETHEUS_MULTIPROC_DIR": str(state / "metrics"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
