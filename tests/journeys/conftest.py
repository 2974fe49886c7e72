"""A real `bin/up`: web, worker, scheduler, Valkey, and the demo LocalAI over real engines. One for all journeys."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from config.stack.preflight import free_port
from tests.databases import own_database
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 240
STOP_SECONDS = 60


@dataclass(frozen=True)
class Stack:
    """A running `bin/up`: what its up.json says, and where it keeps its state."""

    url: str
    tenant: str
    api_key: str
    admin_email: str
    admin_password: str
    state: Path
    process: subprocess.Popen[bytes]

    @property
    def api(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.url}/api/v1/tenants/{self.tenant}",
            headers={"Authorization": f"Bearer {self.api_key}"},
            timeout=60,
            trust_env=False,
        )

    def manage(self, *command: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [ROOT / "bin/manage", "--state", self.state, *command],
            env={name: value for name, value in environment().items() if name != "DATABASE_URL"},  # the stack knows
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        return done


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One test process has the stack."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("stack"))
            item.add_marker(pytest.mark.engine)
            item.add_marker(pytest.mark.timeout(600))  # the first one starts it


def environment() -> dict[str, str]:
    """What a user has who types `bin/up`: none of the tests' own settings, but the database under test."""
    ours = {"SECRET_KEY", "KEYRING", "STATE_DIR", "HTTPS_ONLY", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}
    return {name: value for name, value in os.environ.items() if name not in ours}


@pytest.fixture(scope="session")
def database() -> Iterator[dict[str, str]]:
    with own_database() as setting:
        yield setting


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, database: dict[str, str]) -> Iterator[Stack]:
    state = tmp_path_factory.mktemp("up")
    command = [str(ROOT / "bin/up"), "--state", str(state), "--port", str(free_port())]
    with (state / "output").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment() | database, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        ready = wait_for(lambda: started(process, state), seconds=START_SECONDS)
        yield Stack(**ready, state=state, process=process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
    finally:
        if process.poll() is None:
            process.kill()


def started(process: subprocess.Popen[bytes], state: Path) -> dict[str, str] | None:
    """up.json, once the main job has been done as well."""
    said = (state / "output").read_text(errors="replace")
    assert process.poll() is None, said
    if "The main job" not in said or not (state / "up.json").exists():
        return None
    found: dict[str, str] = json.loads((state / "up.json").read_text())
    return found
