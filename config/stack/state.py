"""The state folder of `bin/up`: its secrets, its logs, who runs on it, and what others may learn of it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import cast

from config.stack.preflight import NotReady

LOG_MAX_BYTES = 10 * 1024 * 1024
LOCK_SECONDS = 30.0  # what a predecessor that was killed may take to end its children
ADMIN_EMAIL = "admin@modelyard.localhost"
TENANT = "demo"


class State:
    """All files are readable by their owner alone."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.logs = directory / "logs"
        self.logs.mkdir(mode=0o700, exist_ok=True)

    def lock(self) -> int:
        """Holds the folder for this process and the children that inherit the file. Raises NotReady when taken."""
        lock = os.open(self.directory / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(lock, 20, 0).decode()
                if _lives(holder) or time.monotonic() > deadline:
                    raise NotReady(
                        f"Another bin/up (process {holder}) uses {self.directory}. Choose another folder with --state."
                    ) from None
                time.sleep(0.1)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        return lock

    def cut_back_logs(self) -> None:
        """Keep one former part of each: a stack that runs for months must not fill the disk. Children append."""
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > LOG_MAX_BYTES:
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)

    def secret(self, name: str) -> str:
        """A random secret of this installation, made on first use."""
        return self.kept(name) or self.keep(name, secrets.token_urlsafe(48))

    def kept(self, name: str) -> str | None:
        path = self.directory / name
        return path.read_text().strip() if path.exists() else None

    def keep(self, name: str, text: str) -> str:
        """Written whole or not at all."""
        path = self.directory / name
        unfinished = path.with_name(f".{name}.{os.getpid()}")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text + "\n")
        unfinished.replace(path)
        return text

    def keyring(self) -> Path:
        if self.kept("keyring") is None:
            self.keep("keyring", f"k1:{base64.b64encode(os.urandom(32)).decode()}")
        return self.directory / "keyring"

    def admin_password(self) -> str:
        return self.kept("admin_password") or self.keep("admin_password", secrets.token_urlsafe(18))

    def announce(self, url: str, api_key: str) -> None:
        """Writes up.json: everything is up, and this is how to get in."""
        facts = {
            "url": url,
            "tenant": TENANT,
            "api_key": api_key,
            "admin_email": ADMIN_EMAIL,
            "admin_password": self.admin_password(),
        }
        self.keep("up.json", json.dumps(facts, indent=2))

    def withdraw(self) -> None:
        (self.directory / "up.json").unlink(missing_ok=True)

    def keep_environment(self, environment: dict[str, str]) -> None:
        """For bin/manage: the settings that the running stack was given."""
        self.keep("environment.json", json.dumps(environment, indent=2, sort_keys=True))

    def kept_environment(self) -> dict[str, str] | None:
        text = self.kept("environment.json")
        return cast(dict[str, str], json.loads(text)) if text else None


def _lives(process: str) -> bool:
    if not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
