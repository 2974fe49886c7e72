"""Jobs as work: how many are taken in, and how many one worker core carries through, against bare Celery."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import redis

from benchmarks import client
from benchmarks.bench import Bench
from benchmarks.celery_floor import app, fill
from benchmarks.contenders import OURS
from benchmarks.engines import each_engine, rows
from benchmarks.installation import CELERY_OPTIONS, Installation
from benchmarks.load import Case, measure
from benchmarks.processes import ROOT, SERVER_CORE, cpu_seconds, pinned, running
from benchmarks.record import Measured

SUBMITS, END_TO_END = "job submits c=16", "jobs end to end"
PUBLISHING, EMPTY_TASK = "Celery send_task", "Celery, empty task"
NAMES = (SUBMITS, END_TO_END)
JOB = client.job("[chunks=8]")
BROKER_DATABASE = 1  # of the same Valkey: the queues of the bare Celery
BEGUN, NEARLY_DONE = 0.1, 0.95  # the part of a queue over which a worker is measured
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 240.0


def run(bench: Bench) -> None:
    for engine in each_engine(bench):
        if bench.wants(SUBMITS):
            _submits(bench, engine.name, engine.installation("submits"))
        if bench.wants(END_TO_END):
            _end_to_end(bench, engine.name, engine.installation("end-to-end"))


def _submits(bench: Bench, engine: str, installation: Installation) -> None:
    """No worker runs: what is measured is the taking in, row committed and bell rung."""
    case = Case(f"{SUBMITS}, {engine}", 16, JOB, client.JOBS_PATH)
    with installation.web() as web:
        measure(case, web, 1)
        for _ in range(bench.rounds):
            bench.record.add(case.name, OURS, measure(case, web, bench.seconds))
            bench.record.add(case.name, PUBLISHING, _publishing(bench))


def _publishing(bench: Bench) -> Measured:
    command = pinned(SERVER_CORE, sys.executable, "-m", "benchmarks.celery_floor", str(bench.seconds))
    done = subprocess.run(command, cwd=ROOT, env=_broker(bench), capture_output=True, text=True, check=True)
    _broker_redis(bench).flushdb()
    return Measured(**json.loads(done.stdout))


def _end_to_end(bench: Bench, engine: str, installation: Installation) -> None:
    case = f"{END_TO_END}, {engine}"
    count = bench.few(1500, 5000)
    with installation.web() as web, rows(installation) as ask:
        for _ in range(bench.rounds):
            client.wait_for(client.submit(web, JOB, count))
            waiting = partial(ask, "SELECT count(*) FROM providers_job WHERE state NOT IN ('succeeded', 'failed')")
            bench.record.add(case, OURS, _worked_off(installation.worker(), count, waiting))
            bench.record.add(case, EMPTY_TASK, _empty_tasks(bench, count))
        failed = ask("SELECT count(*) FROM providers_job WHERE state = 'failed'")
        bench.record.facts[f"jobs that failed, {case}"] = failed


def _empty_tasks(bench: Bench, count: int) -> Measured:
    app.conf.broker_url = _broker(bench)["BENCH_BROKER"]
    fill(count)
    broker = _broker_redis(bench)
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.celery_floor", "worker", *CELERY_OPTIONS]
    worker = running(SERVER_CORE, *command, env=_broker(bench))
    return _worked_off(worker, count, lambda: int(broker.llen("celery")))


def _worked_off(worker: AbstractContextManager[int], count: int, waiting: Callable[[], int]) -> Measured:
    """The rate and CPU of a worker between the first tenth of its queue and the last bit of it."""
    with worker as pid:
        deadline = time.monotonic() + PATIENCE_SECONDS
        first: tuple[int, float, float] | None = None
        while True:
            now_done, now, cpu = count - waiting(), time.monotonic(), cpu_seconds(pid)
            if first is None and now_done >= count * BEGUN:
                first = (now_done, now, cpu)
            if now_done >= count * NEARLY_DONE:
                break
            if now > deadline:
                sys.exit(f"The worker of the benchmark had done {now_done} of {count} after {PATIENCE_SECONDS:g} s.")
            time.sleep(LOOK_SECONDS)
    assert first is not None
    jobs, seconds, used = now_done - first[0], now - first[1], cpu - first[2]
    return Measured(per_second=jobs / seconds, cpu_ms=used * 1000 / jobs)


def _broker(bench: Bench) -> dict[str, str]:
    url = bench.redis_url.replace("unix://", "redis+socket://").partition("?")[0]
    return {**os.environ, "BENCH_BROKER": f"{url}?virtual_host={BROKER_DATABASE}"}


def _broker_redis(bench: Bench) -> redis.Redis:
    return redis.Redis.from_url(bench.redis_url.replace("db=0", f"db={BROKER_DATABASE}"))
