"""What Prometheus reads at /metrics. With several web processes each writes into PROMETHEUS_MULTIPROC_DIR."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from providers.breakers import Resting

REQUESTS = Counter("modelyard_http_requests", "Requests answered.", ["plane", "method", "status"])
SECONDS = Histogram(
    "modelyard_http_request_seconds",
    "From the first byte of a request to the last of its answer; streams count whole.",
    ["plane"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
_of_all_processes: Any = MultiProcessCollector  # registers itself
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PLANES = (("/v1/", "data"), ("/api/", "control"), ("/admin/", "admin"), ("/_allauth/", "accounts"))


def answered(path: str, method: str, status: int, seconds: float) -> None:
    plane = next((name for prefix, name in PLANES if path.startswith(prefix)), "machine")
    counter, histogram = _children(plane, method if method in METHODS else "other", status)
    counter.inc()
    histogram.observe(seconds)


@lru_cache(maxsize=4096)
def _children(plane: str, method: str, status: int) -> tuple[Any, Any]:
    return REQUESTS.labels(plane, method, str(status)), SECONDS.labels(plane)


def exposition(parts: dict[str, str], resting: Sequence[Resting]) -> bytes:
    """The counters of every web process of this host, and what is so right now: which part is up, what rests."""
    counted = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        counted = CollectorRegistry()
        _of_all_processes(counted)
    now = CollectorRegistry()
    up = Gauge("modelyard_part_up", "1 where the part answers.", ["part"], registry=now)
    for part, state in parts.items():
        up.labels(part).set(state == "ok")
    breakers = Gauge("modelyard_breakers_open", "Circuit breakers that are not closed.", ["kind"], registry=now)
    for kind in ("provider", "model"):
        breakers.labels(kind).set(sum(1 for one in resting if one.kind == kind))
    return generate_latest(counted) + generate_latest(now)
