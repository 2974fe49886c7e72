"""The demo LocalAI as a process of its own, as `bin/up` starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from config.stack import tether
from config.stack.preflight import free_port

START_SECONDS = 180.0


@dataclass(frozen=True)
class RunningDemo:
    url: str
    key: str

    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=60)


@contextmanager
def demo_localai(directory: Path, key: str = "demo-key") -> Iterator[RunningDemo]:
    port = free_port()
    command = ["-m", "config.stack.demo_localai", "--port", str(port), "--models", str(directory)]
    log_path = directory / "demo.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, tether.__file__, str(os.getpid()), sys.executable, *command],
            env={**os.environ, "LOCALAI_API_KEY": key},
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}", log_path)
        yield RunningDemo(f"http://127.0.0.1:{port}", key)
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz", timeout=30).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the demo did not start: {log_path.read_text()[-2000:]}")
