"""What grows: memory over many requests, rows in the database, web workers, tenants."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from itertools import count
from statistics import mean

import aiohttp

from benchmarks import client
from benchmarks.bench import Bench
from benchmarks.contenders import OURS, Contender
from benchmarks.engines import on_postgresql
from benchmarks.gateway import WARM_SECONDS
from benchmarks.load import Case, chat, measure
from benchmarks.processes import rss_mib

MEMORY, ROWS = "memory over a long run", "unary c=32 with many keys and models"
WORKERS, TENANTS = "unary c=32 with one and two web workers", "list of 50 providers, PostgreSQL"
NAMES = (MEMORY, ROWS, WORKERS, TENANTS)

GROWTH, RSS_AFTER = "RSS growth % from the second fifth of the run to its last", "RSS MiB after the long run"
QUERIES = "queries of the list of 50 providers"
FEW, ALL = "Modelyard, 10 keys and models", "Modelyard, 100,000 keys and 50,000 models"
ONE_WORKER, TWO_WORKERS = "Modelyard, one worker", "Modelyard, two workers"

AT_ONCE = 32
ABORTED_OF_TEN_STREAMS = 1
SAMPLES = 20
FIFTH = SAMPLES // 5
PROVIDERS_PATH = "/api/v1/tenants/acme/providers?limit=50"


def run(bench: Bench) -> None:
    for name, case in ((MEMORY, _memory), (ROWS, _rows), (WORKERS, _workers), (TENANTS, _tenants)):
        if bench.wants(name) and not (name == TENANTS and bench.is_sqlite_only):
            case(bench)


# --- Memory ---
def _memory(bench: Bench) -> None:
    """Half unary calls, half streams, a tenth of these left after their first token."""
    total = bench.few(10_000, 200_000)
    with bench.installation("memory").web() as web:
        bench.record.facts["RSS MiB before the long run"] = rss_mib(web.pid)
        numbers, seen = count(), []
        for _ in range(SAMPLES):
            client.wait_for(_mixed(web, numbers, total // SAMPLES))
            seen.append(rss_mib(web.pid))
    settled, last = mean(seen[FIFTH : 2 * FIFTH]), mean(seen[-FIFTH:])  # a sample alone moves by 3 % either way
    bench.record.facts["requests of the long run"] = total
    bench.record.facts[RSS_AFTER] = last
    bench.record.facts[GROWTH] = 100 * (last - settled) / settled


async def _mixed(web: Contender, numbers: count[int], requests: int) -> None:
    left = iter(range(requests))

    async def caller(http: aiohttp.ClientSession) -> None:
        for _ in left:
            await _one(http, web, next(numbers))

    async with client.session() as http:
        await asyncio.gather(*(caller(http) for _ in range(AT_ONCE)))


async def _one(http: aiohttp.ClientSession, web: Contender, number: int) -> None:
    is_stream, is_aborted = number % 2 == 1, number // 2 % 10 < ABORTED_OF_TEN_STREAMS
    wanted = ("[chunks=100 pace_ms=5]" if is_aborted else "[chunks=8]") if is_stream else ""
    async with http.post(web.chat_url, json=chat(wanted, stream=is_stream), headers=web.headers) as answer:
        answer.raise_for_status()
        if is_stream and is_aborted:
            await anext(client.lines_of(answer))
            answer.close()
        else:
            await answer.read()


# --- Rows ---
def _rows(bench: Bench) -> None:
    """The load names ten keys and ten models in either."""
    with ExitStack() as stack:
        servers = []
        for name, keys, models in ((FEW, 10, 10), (ALL, bench.few(10_000, 100_000), bench.few(5_000, 50_000))):
            installation = bench.installation(f"rows-{keys}")
            said = installation.run("-m", "benchmarks.seed", "keys-and-models", str(keys), str(models))
            servers.append((stack.enter_context(installation.web(name)), json.loads(said.splitlines()[-1])))
        for number in range(-1, bench.rounds):
            for web, named in servers:
                case = Case(ROWS, AT_ONCE, chat(), keys=tuple(named["keys"]), models=tuple(named["models"]))
                found = measure(case, web, WARM_SECONDS if number < 0 else bench.seconds)
                if number >= 0:
                    bench.record.add(ROWS, web.name, found)


# --- Workers ---
def _workers(bench: Bench) -> None:
    """All on the server's core: what is asked is the CPU of a request, not the rate."""
    installation, case = bench.installation("workers"), Case(WORKERS, AT_ONCE, chat())
    with installation.web(ONE_WORKER) as one, installation.web(TWO_WORKERS, workers=2) as two:
        for web in (one, two):
            measure(case, web, 2 * WARM_SECONDS)
        for _ in range(bench.rounds):
            for web in (one, two):
                bench.record.add(WORKERS, web.name, measure(case, web, bench.seconds))


# --- Tenants ---
def _tenants(bench: Bench) -> None:
    with on_postgresql(bench) as engine:
        installation = engine.installation("tenants")
        installation.run("-m", "benchmarks.seed", "tenants", str(bench.few(1_000, 10_000)))
        queries = installation.run("-m", "benchmarks.seed", "queries", PROVIDERS_PATH, installation.key)
        bench.record.facts[QUERIES] = int(queries.splitlines()[-1])
        case = Case(TENANTS, 1, {}, PROVIDERS_PATH, method="GET")
        with installation.web() as web:
            measure(case, web, WARM_SECONDS)
            for _ in range(bench.rounds):
                bench.record.add(TENANTS, OURS, measure(case, web, bench.seconds))
