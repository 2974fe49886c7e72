"""Bare Celery on the same broker, as what a job's way through us is compared with: publishing, and an empty task.

python -m benchmarks.celery_floor SECONDS    publish for so long; prints messages a second, p50, p99 and CPU ms of each
"""

from __future__ import annotations

import json
import os
import sys
import time

from celery import Celery

from benchmarks.record import percentile

app = Celery("bench", broker=os.environ.get("BENCH_BROKER", "memory://"))
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1)


@app.task(name="bench.empty")
def empty(_row_id: str) -> None:
    """Nothing but the message."""


def fill(count: int) -> None:
    with app.producer_pool.acquire() as producer:
        for number in range(count):
            app.send_task("bench.empty", args=[str(number)], producer=producer, ignore_result=True)


def publish(seconds: float) -> dict[str, float]:
    fill(1)
    took, began, cpu = [], time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        at = time.perf_counter()
        app.send_task("bench.empty", args=["01890000-0000-7000-8000-00000000ac3e"], ignore_result=True)
        took.append((time.perf_counter() - at) * 1000)
    lasted = time.perf_counter() - began
    return {
        "per_second": len(took) / lasted,
        "p50_ms": percentile(took, 0.5),
        "p99_ms": percentile(took, 0.99),
        "cpu_ms": (time.process_time() - cpu) * 1000 / len(took),
    }


if __name__ == "__main__":
    print(json.dumps(publish(float(sys.argv[1]))))
