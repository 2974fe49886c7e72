"""The embedded Valkey: started on a Unix socket, kept, and gone when its owner is gone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import redis

from config.stack import valkey

OWNER = """
import sys, time
from pathlib import Path
from config.stack import valkey
with valkey.running(Path(sys.argv[1])) as url:
    print(url, flush=True)
    time.sleep(600)
"""


def _gone(socket: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while valkey.answers(socket):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_it_answers_on_its_socket_and_keeps_what_it_was_told(tmp_path: Path) -> None:
    directory = tmp_path / "a folder with spaces"
    with valkey.running(directory) as url:
        redis.Redis.from_url(url).set("greeting", "hello")
    with valkey.running(directory) as url:
        assert redis.Redis.from_url(url).get("greeting") == b"hello"


def test_only_its_owner_can_open_the_socket(tmp_path: Path) -> None:
    with valkey.running(tmp_path):
        assert valkey.socket_in(tmp_path).stat().st_mode & 0o077 == 0


def test_a_path_too_long_for_a_socket_moves_it_to_a_short_private_folder(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30)
    with valkey.running(directory) as url:
        assert redis.Redis.from_url(url).ping()
    socket = valkey.socket_in(directory)
    assert len(os.fsencode(socket)) <= valkey.SOCKET_PATH_MAX_BYTES
    assert socket.parent.stat().st_mode & 0o077 == 0
    socket.parent.rmdir()


def test_it_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline().startswith("unix://")
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    assert _gone(valkey.socket_in(tmp_path), seconds=30)
