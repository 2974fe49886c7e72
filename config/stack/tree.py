"""The processes of one machine's Modelyard: what each is run as, when it is ready, how long it may take to end."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.stack import valkey
from config.stack.child import Ready, Spec
from config.stack.preflight import HOST
from config.stack.readiness import answers, is_present
from config.stack.state import State

# Streams end first, nothing new is rung, running attempts come to their end, and Redis holds until nobody needs it.
STOP_ORDER = ("web", "scheduler", "worker", "demo", "valkey")
GRACE_SECONDS = 5.0  # what a process gets beyond its own drain
CELERY = [sys.executable, "-m", "celery", "-A", "config"]


@dataclass(frozen=True)
class Tree:
    state: State
    environment: Mapping[str, str]
    port: int
    lock: int  # inherited by every child: the folder is free only when the last one has ended

    def valkey(self) -> Spec:
        socket = valkey.socket_in(self.state.directory)

        async def ready(_process_id: int) -> bool:
            return await asyncio.to_thread(valkey.answers, socket)

        return self._spec("valkey", valkey.command(self.state.directory, socket), ready)

    def web(self) -> Spec:
        command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--host", HOST, "--port", str(self.port)]
        grace_seconds = float(self.environment["WEB_DRAIN_SECONDS"]) + GRACE_SECONDS
        command += ["--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", f"{grace_seconds:.0f}"]
        command += ["--workers", self.environment.get("WEB_WORKERS") or "1"]
        proxies = self.environment.get("FORWARDED_ALLOW_IPS")  # uvicorn trusts all of loopback unless told
        command += ["--forwarded-allow-ips", proxies] if proxies else ["--no-proxy-headers"]
        return self._spec("web", command, answers(f"http://{HOST}:{self.port}/healthz"), grace_seconds + GRACE_SECONDS)

    def worker(self) -> Spec:
        threads = self.environment.get("WORKER_THREADS") or "8"
        command = [*CELERY, "worker", "-P", "threads", "-c", threads, "--loglevel", "INFO"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        stop_seconds = float(self.environment["WORKER_DRAIN_SECONDS"]) + 2 * GRACE_SECONDS
        return self._spec("worker", command, self._says("workers"), stop_seconds)

    def scheduler(self) -> Spec:
        command = [*CELERY, "beat", "--pidfile", "", "--loglevel", "WARNING"]
        return self._spec("scheduler", command, self._says("schedulers"))

    def demo(self, port: int, key: str) -> Spec:
        models = str(self.state.directory / "models")
        command = [sys.executable, "-m", "config.stack.demo_localai", "--port", str(port), "--models", models]
        environment = {**self.environment, "LOCALAI_API_KEY": key}
        return self._spec("demo", command, answers(f"http://{HOST}:{port}/readyz"), environment=environment)

    def clear_metrics(self) -> None:
        """Each process counts in a file of its own; those of the last start count no more."""
        ours = self.state.directory / "metrics"
        if Path(self.environment["PROMETHEUS_MULTIPROC_DIR"]) == ours:
            shutil.rmtree(ours, ignore_errors=True)
            ours.mkdir(mode=0o700)

    def redis_url(self) -> str:
        file = self.environment.get("REDIS_URL_FILE")
        return Path(file).read_text().strip() if file else self.environment["REDIS_URL"]

    def _says(self, kind: str) -> Ready:
        return is_present(self.redis_url(), f"{self.environment.get('REDIS_PREFIX') or 'modelyard'}:{kind}")

    def _spec(
        self,
        name: str,
        command: list[str],
        ready: Ready,
        stop_seconds: float = 10.0,
        environment: Mapping[str, str] | None = None,
    ) -> Spec:
        log = self.state.logs / f"{name}.log"
        return Spec(name, command, environment or self.environment, log, ready, stop_seconds, (self.lock,))
