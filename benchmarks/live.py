"""Jobs as streams: the way to the first token, a worker full of streams, and many readers of one job."""

from __future__ import annotations

import json

import redis
import redis.asyncio

from benchmarks import client, readers
from benchmarks.bench import Bench
from benchmarks.contenders import DIRECT, OURS, Contender, uvicorn
from benchmarks.engines import Engine, each_engine
from benchmarks.gateway import PACED
from benchmarks.installation import Installation
from benchmarks.processes import LOAD_CORE, SERVER_CORE, rss_mib, running
from benchmarks.record import Measured, percentile
from config.stack.preflight import free_port

FIRST_TOKEN = "job submit to first token"
STREAMS = "one worker, 200 streams at 50 tokens/s"
READERS = "one gateway process, 200 readers of one job"
NAMES = (FIRST_TOKEN, STREAMS, READERS)
OVER_OWN = f"{OURS}, over the server's own"
P95 = "p95 over the server's own"
CORE_PERCENT = "% of a core"
XREAD_EACH = "200 readers of one stream, an XREAD each: % of a core"
CALLS = "calls of the model server"
ALL_RSS = "RSS MiB of web, worker and Valkey with 200 streams"
COUNT = 200
ROOM = 256  # attempts that the worker of these cases takes at once
PACE_MS = 20


def run(bench: Bench) -> None:
    if bench.wants(READERS):
        bench.record.facts[XREAD_EACH] = _xread_each(bench)
    for engine in each_engine(bench):
        if bench.wants(FIRST_TOKEN):
            _first_token(bench, engine)
        if bench.wants(STREAMS, READERS):
            _many(bench, engine)


def _first_token(bench: Bench, engine: Engine) -> None:
    """Idle, one job after the other. The model server's own time is taken in the same run."""
    installation = engine.installation("first-token")
    direct = Contender(DIRECT, bench.upstream_url, "none", 0)
    with installation.web() as web, installation.worker():
        client.wait_for(readers.first_deltas_ms(web, client.job("[chunks=4 pace_ms=5]"), 3))
        for _ in range(bench.rounds):
            own = client.wait_for(client.first_token_ms(direct, PACED, bench.few(10, 20)))
            ours = client.wait_for(readers.first_deltas_ms(web, client.job("[chunks=4 pace_ms=5]"), bench.few(15, 40)))
            over = [each - percentile(own, 0.5) for each in ours]
            case = f"{FIRST_TOKEN}, {engine.name}"
            bench.record.add(case, OVER_OWN, _times(over))
            bench.record.facts[f"{case}: {P95}"] = percentile(over, 0.95)


def _many(bench: Bench, engine: Engine) -> None:
    installation = engine.installation("streams")
    installation.env["WORKER_CONCURRENCY"] = str(ROOM)
    chunks = bench.few(150, 400)
    with installation.web() as web:
        if bench.wants(STREAMS):
            with installation.worker() as worker:
                _streams(bench, engine, installation, web, worker, chunks)
                in_all = rss_mib(worker) + rss_mib(web.pid) + _redis_rss(bench)
                bench.record.facts[f"{ALL_RSS}, {engine.name}"] = in_all
        if bench.wants(READERS):
            with installation.worker(LOAD_CORE):
                _readers(bench, engine, web, chunks)


def _streams(
    bench: Bench, engine: Engine, installation: Installation, web: Contender, worker: int, chunks: int
) -> None:
    case = f"{STREAMS}, {engine.name}"
    figures = [str(each) for each in (worker, COUNT, chunks, PACE_MS)]
    for _ in range(_rounds(bench)):
        done = json.loads(installation.run("-m", "benchmarks.chunk_probe", web.url, web.key, *figures))
        bench.record.add(case, OURS, _times(done["ms"], done["lost"]))
        bench.record.facts[f"{case}: {CORE_PERCENT}"] = done["cpu_percent"]


def _readers(bench: Bench, engine: Engine, web: Contender, chunks: int) -> None:
    case = f"{READERS}, {engine.name}"
    for _ in range(_rounds(bench)):
        before = client.wait_for(client.calls(bench.upstream_url))
        found = client.wait_for(readers.many(web, client.job(f"[chunks={chunks} pace_ms={PACE_MS}]"), COUNT, chunks))
        bench.record.add(case, OURS, _times(found.ms, found.different))
        bench.record.facts[f"{case}: {CORE_PERCENT}"] = found.cpu_percent
        bench.record.facts[f"{case}: {CALLS}"] = client.wait_for(client.calls(bench.upstream_url)) - before


def _xread_each(bench: Bench) -> float:
    port = free_port()
    env = {"REDIS_URL": bench.redis_url}
    with running(SERVER_CORE, *uvicorn("benchmarks.event_floor:app", port), port=port, env=env) as pid:
        floor = Contender(XREAD_EACH, f"http://127.0.0.1:{port}", "none", pid)
        return client.wait_for(_of_a_plain_stream(bench, floor))


async def _of_a_plain_stream(bench: Bench, floor: Contender) -> float:
    async with redis.asyncio.Redis.from_url(bench.redis_url) as stream:
        return await readers.of_a_plain_stream(floor, stream, COUNT, bench.few(100, 250), PACE_MS)


def _rounds(bench: Bench) -> int:
    """Each takes its ten seconds."""
    return min(bench.rounds, 2)


def _times(ms: list[float], errors: int = 0) -> Measured:
    return Measured(p50_ms=percentile(ms, 0.5), p99_ms=percentile(ms, 0.99), errors=errors)


def _redis_rss(bench: Bench) -> float:
    info = redis.Redis.from_url(bench.redis_url).info("memory")
    return float(info["used_memory_rss"]) / 2**20
