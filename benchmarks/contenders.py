"""What is measured beside this project: the model server itself, and the floors of what the project is made of."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.processes import LOAD_CORE, SERVER_CORE, running
from config.stack.preflight import free_port

DIRECT = "the model server itself"
OURS = "Modelyard"
ASGI_FLOOR = "plain ASGI + transport API"
STARLETTE_FLOOR = "Starlette + httpx over aiohttp"
FLOORS = {
    "plain ASGI + aiohttp": "benchmarks.floors:plain_aiohttp",
    ASGI_FLOOR: "benchmarks.floors:plain_transport",
    STARLETTE_FLOOR: "benchmarks.floors:starlette",
}
FLOOR_KEY = "myd_live_floor"
CHAT = "/v1/chat/completions"


@dataclass(frozen=True)
class Contender:
    """A server under test: where it is, with which key, in which process. `pid` 0: not measured."""

    name: str
    url: str
    key: str
    pid: int
    more_headers: Mapping[str, str] = field(default_factory=dict)
    streams: bool = True

    @property
    def chat_url(self) -> str:
        return self.url + CHAT

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}", **self.more_headers}


@contextmanager
def upstream() -> Iterator[str]:
    port = free_port()
    with running(LOAD_CORE, sys.executable, "-m", "benchmarks.upstream", str(port), port=port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def floor(name: str, upstream_url: str) -> Iterator[Contender]:
    port = free_port()
    env = {"UPSTREAM": upstream_url, "BENCH_KEY": FLOOR_KEY}
    with running(SERVER_CORE, *uvicorn(FLOORS[name], port), port=port, env=env) as pid:
        yield Contender(name, f"http://127.0.0.1:{port}", FLOOR_KEY, pid)


def uvicorn(app: str, port: int, *more: str) -> list[str]:
    options = ["--host", "127.0.0.1", "--port", str(port), "--no-access-log", "--no-server-header"]
    return [sys.executable, "-m", "uvicorn", app, *options, "--log-level", "warning", *more]
