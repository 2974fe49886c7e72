"""A real stack of `bin/up` with everything it says, stores and sends laid open: logs at DEBUG, mail in files, Redis
under watch. Its processes are changed from outside only (inside/sitecustomize.py)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from config.stack import valkey
from config.stack.preflight import free_port
from tests.security.canary import mutants
from tests.security.canary.redis_watch import RedisWatch, watching
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[3]
INSIDE = Path(__file__).resolve().parent / "inside"
START_SECONDS = 120
STOP_SECONDS = 60


@dataclass
class Observed:
    """A running stack, and every answer that it gave to those who asked through `client`."""

    folder: Path
    url: str
    tenant: str
    api_key: str = field(repr=False)
    admin_email: str
    admin_password: str = field(repr=False)
    database_url: str | None  # None: SQLite in the state folder
    redis: RedisWatch
    environment: dict[str, str] = field(repr=False)
    answers: list[tuple[str, str, bytes]] = field(default_factory=list)
    _clients: ExitStack = field(default_factory=ExitStack)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def path(self) -> str:
        return f"/api/v1/tenants/{self.tenant}"

    def client(self, **headers: str) -> httpx.Client:
        """Sends these headers, keeps cookies, and lets every answer be searched later."""
        hooks: dict[str, list[Callable[..., object]]] = {"response": [self._keep]}
        made = httpx.Client(base_url=self.url, headers=headers, timeout=120, trust_env=False, event_hooks=hooks)
        return self._clients.enter_context(made)

    def _keep(self, answer: httpx.Response) -> None:
        answer.read()
        head = b"".join(name + b": " + value + b"\n" for name, value in answer.headers.raw)
        request = answer.request
        said = head + b"\n" + answer.content
        self.answers.append(("answer", f"to {request.method} {request.url.path}", said))

    def manage(self, *command: str) -> None:
        """Run a management command; what it prints is kept with the answers."""
        words = [sys.executable, "-m", "config.stack.manage", "--state", str(self.state), *command]
        done = subprocess.run(words, cwd=ROOT, env=self.environment, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        self.answers.append(("output", f"of {command[0]}", done.stdout + done.stderr))

    def process_ids(self) -> list[int]:
        """All processes of the stack: those whose environment names its folder."""
        mine = str(self.state).encode()
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _holds(entry, mine)]


def _holds(process: Path, words: bytes) -> bool:
    try:
        return words in (process / "environ").read_bytes() and int(process.name) != os.getpid()
    except OSError:  # it has ended meanwhile, or is another user's
        return False


@contextmanager
def observed(folder: Path, *, mutant: str = "", database_url: str | None = None) -> Iterator[Observed]:
    """Start the stack in an empty folder. `mutant` names the one guard that its processes go without."""
    (folder / "tmp").mkdir()
    (folder / "mail").mkdir()
    environment = _environment(folder, mutant=mutant, database_url=database_url)
    command = [sys.executable, str(ROOT / "config/stack/launch.py"), "--no-demo"]
    command += ["--state", str(folder / "state"), "--port", str(free_port())]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        ready = wait_for(lambda: _ready(process, folder), seconds=START_SECONDS)
        with watching(valkey.socket_in(folder / "state")) as redis, ExitStack() as clients:
            yield Observed(
                folder, **ready, database_url=database_url, redis=redis, environment=environment, _clients=clients
            )
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()


def _ready(process: subprocess.Popen[bytes], folder: Path) -> dict[str, str] | None:
    assert process.poll() is None, (folder / "output").read_text(errors="replace")
    try:
        found: dict[str, str] = json.loads((folder / "state" / "up.json").read_text())
    except FileNotFoundError:
        return None
    return found


def _environment(folder: Path, *, mutant: str = "", database_url: str | None = None) -> dict[str, str]:
    """What a person has who types `bin/up`, none of the tests' own settings."""
    ours = {"SECRET_KEY", "KEYRING", "STATE_DIR", "HTTPS_ONLY", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "DATABASE_URL"}
    outside = {name: value for name, value in os.environ.items() if name not in ours}
    changes = {
        "BREAKER_FAULTS": "1000",  # each kind of failure is to reach the server
        "EMAIL_URL": f"filemail:///{folder / 'mail'}",
        "LOG_LEVEL": "DEBUG",
        "PYTHONPATH": f"{INSIDE}{os.pathsep}{ROOT}",
        "SIGNUP": "invite",
        "TMPDIR": str(folder / "tmp"),
        mutants.VARIABLE: mutant,
    }
    return outside | changes | ({"DATABASE_URL": database_url} if database_url else {})
