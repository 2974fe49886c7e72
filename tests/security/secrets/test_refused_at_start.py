"""Neither web nor worker starts with a keyring that is missing or not this database's: they say what to do.

What else makes one unfit stands in tests/tenants/test_keyring.py; both end in the same check.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tenants.sealing import verify_keyring
from tests.providers.jobs.test_real_worker import ROOT, database_url

EXIT_SECONDS = 90
PROCESSES = {
    "web": ["uvicorn", "config.asgi:application", "--port", "0"],
    "worker": ["celery", "-A", "config", "worker", "-P", "threads", "-c", "1"],
}


def line(key: bytes) -> str:
    return f"test:{base64.b64encode(key).decode()}"


REFUSED = {
    "": "Make a key with",
    line(bytes(range(1, 33))): "Put the former value back",
}


def start(command: list[str], keyring: str, state: Path, redis_url: str) -> subprocess.Popen[str]:
    changes = {"KEYRING": keyring, "DATABASE_URL": database_url(), "REDIS_URL": redis_url, "STATE_DIR": str(state)}
    words = [sys.executable, "-m", *command]
    environment = {**os.environ, **changes}
    return subprocess.Popen(
        words, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_ends_at_once_and_says_what_to_do(name: str, tmp_path: Path, redis_url: str, settings: Any) -> None:
    settings.KEYRING = line(bytes(range(32)))
    verify_keyring()  # so that this database knows the id, and which bytes belong to it

    with ExitStack() as running:
        started = {ring: start(PROCESSES[name], ring, tmp_path, redis_url) for ring in REFUSED}
        for process in started.values():
            running.callback(process.kill)
        said = {ring: process.communicate(timeout=EXIT_SECONDS)[0] for ring, process in started.items()}

    assert all(process.returncode not in (0, None) for process in started.values())
    for ring, remedy in REFUSED.items():
        (told,) = [text for text in said[ring].splitlines() if "keyring_refused" in text]
        assert remedy in told
        assert not ring or ring.partition(":")[2] not in said[ring]
