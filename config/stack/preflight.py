"""What must hold before anything is installed or started. Standard library only; each failure is one clear line."""

from __future__ import annotations

import fcntl
import secrets
import socket
import tempfile
import time
from pathlib import Path

HOST = "127.0.0.1"
PORTS = range(20_000, 32_768)  # systems take the local ports of connections from above
PORT_SECONDS = 2.0  # what the web process of a predecessor that was killed may take to end


class NotReady(Exception):
    """Why the stack cannot start, and what to do about it, in one line."""


def check(*, port: int | None, state: Path, key_file: Path | None) -> None:
    """Raises NotReady. Leaves nothing behind but the state folder itself."""
    _check_folder(state)
    _withdraw_what_is_stale(state)
    if port is not None:
        _check_port(port)
    if key_file is not None:
        _check_key_file(key_file)


def _check_folder(state: Path) -> None:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=state):
            pass
    except OSError as fault:
        raise NotReady(f"Cannot write to {state} ({fault.strerror}). Choose another folder with --state.") from None


def _withdraw_what_is_stale(state: Path) -> None:
    """A predecessor that was killed left its up.json; what still runs holds the lock, and its file stays."""
    with (state / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        (state / "up.json").unlink(missing_ok=True)


def _check_port(port: int) -> None:
    deadline = time.monotonic() + PORT_SECONDS
    try:
        while not is_free(port):
            if time.monotonic() > deadline:
                raise NotReady(f"Port {port} is in use. Choose another with --port.")
            time.sleep(0.1)
    except PermissionError:
        raise NotReady(f"Port {port} is not yours to use. Choose another with --port.") from None


def is_free(port: int) -> bool:
    """Raises PermissionError for a port that this user may not take."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise
        except OSError:
            return False
    return True


def _check_key_file(key_file: Path) -> None:
    try:
        key = key_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as fault:
        reason = getattr(fault, "strerror", None) or "not a text"
        raise NotReady(f"Cannot read the key from {key_file} ({reason}).") from None
    if not key or len(key.split()) != 1:
        raise NotReady(f"{key_file} does not hold a key.")


def free_port() -> int:
    """For a server that takes it a while later: by then no connection has come to have it as its local port."""
    while not is_free(port := secrets.choice(PORTS)):
        pass
    return port
