"""A key that is revoked while two web processes are busy with it: how long either still takes it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import aiohttp

from benchmarks import client
from benchmarks.bench import Bench
from benchmarks.contenders import OURS, Contender
from benchmarks.load import chat
from benchmarks.record import Measured, percentile

REVOKED = "revoke to last call taken, two web processes"
LONGEST = f"{REVOKED}: longest, ms"
NAMES = (REVOKED,)

KEYS_PATH = "/api/v1/tenants/acme/api-keys"
CALLERS_EACH = 4
TAKEN_BEFORE = 20  # calls of each caller: both processes have the key in memory
PATIENCE_SECONDS = 60.0


@dataclass
class Caller:
    """One call after the other, until the key is refused."""

    web: Contender
    taken: int = 0
    last_began: float = 0.0  # of the calls that were taken
    is_warm: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, http: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                began = time.perf_counter()
                async with http.post(self.web.chat_url, json=chat(), headers=self.web.headers) as answer:
                    await answer.read()
                if answer.status == 401:
                    return
                answer.raise_for_status()
                self.taken, self.last_began = self.taken + 1, began
                if self.taken == TAKEN_BEFORE:
                    self.is_warm.set()


def run(bench: Bench) -> None:
    installation = bench.installation("revocation")
    with installation.web() as one, installation.web() as two:
        ms = client.wait_for(_rounds((one, two), bench.few(5, 100)))
    bench.record.add(REVOKED, OURS, Measured(p50_ms=percentile(ms, 0.5), p99_ms=percentile(ms, 0.99)))
    bench.record.facts[LONGEST] = max(ms)


async def _rounds(webs: Sequence[Contender], count: int) -> list[float]:
    async with client.session() as http:
        return [await _outlasted_ms(http, webs) for _ in range(count)]


async def _outlasted_ms(http: aiohttp.ClientSession, webs: Sequence[Contender]) -> float:
    """From the moment at which the revocation is asked for."""
    made = await _new_key(http, webs[0])
    callers = [Caller(replace(web, key=made["key"])) for web in webs for _ in range(CALLERS_EACH)]
    async with asyncio.TaskGroup() as calling:
        for caller in callers:
            calling.create_task(caller.call(http))
        for caller in callers:
            await caller.is_warm.wait()
        asked = time.perf_counter()
        async with http.delete(f"{webs[0].url}{KEYS_PATH}/{made['id']}", headers=webs[0].headers) as answer:
            answer.raise_for_status()
    return max(0.0, max(caller.last_began for caller in callers) - asked) * 1000


async def _new_key(http: aiohttp.ClientSession, web: Contender) -> dict[str, str]:
    wanted = {"name": "revoked soon", "scopes": ["infer"]}
    async with http.post(web.url + KEYS_PATH, json=wanted, headers=web.headers) as answer:
        answer.raise_for_status()
        made: dict[str, str] = await answer.json()
    return made
