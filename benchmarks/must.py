"""What must be reached, and whether it was: ratios of one run, as docs/performance.md tells them."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import gateway, growth, revocation
from benchmarks.contenders import ASGI_FLOOR, DIRECT, OURS, STARLETTE_FLOOR
from benchmarks.must_jobs import jobs
from benchmarks.peers import LITELLM, MLFLOW
from benchmarks.record import Record
from benchmarks.verdict import Verdict, ratio


def verdicts(record: Record) -> list[Verdict]:
    """One for each figure whose parts were measured in this run."""
    return [*_gateway(record), *_growth(record), *_revocation(record), *jobs(record)]


def _gateway(record: Record) -> Iterator[Verdict]:
    unary = ((LITELLM, 20.0), (MLFLOW, 1.8), (STARLETTE_FLOOR, 0.9), (ASGI_FLOOR, 0.9))
    for server, bound in unary:
        then = " (then)" if server == ASGI_FLOOR else ""
        yield from _rate(record, "requests/s, c=32", gateway.MANY, server, bound, then)
    for server, bound in ((LITELLM, 20.0), (MLFLOW, 1.5), (STARLETTE_FLOOR, 0.85)):
        yield from _rate(record, "8-chunk streams/s", gateway.SHORT, server, bound)
    faults = record.middle(gateway.FRAMES, OURS, lambda one: float(one.errors))
    if faults is not None:
        yield Verdict("streams with frames lost or out of order", "≤", 0, faults, "streams")
    for server, bound in ((LITELLM, 0.1), (MLFLOW, 1.0)):
        yield from _added(record, "added p50, c=1", gateway.ONE, server, bound)
    yield from _added(record, "added time to first token, p50", gateway.FIRST_TOKEN, LITELLM, 0.12)
    yield from _first_token_spread(record)


def _rate(record: Record, figure: str, case: str, server: str, bound: float, more: str = "") -> Iterator[Verdict]:
    ours, its = record.rate(case, OURS), record.rate(case, server)
    if ours and its:
        by_cpu = ratio(record.cpu_ms(case, server), record.cpu_ms(case, OURS))
        yield Verdict(f"{figure}, against {server}{more}", "≥", bound, ours / its, by_cpu=by_cpu)


def _added(record: Record, figure: str, case: str, server: str, bound: float) -> Iterator[Verdict]:
    bare, ours, its = (record.p50_ms(case, name) for name in (DIRECT, OURS, server))
    if bare is not None and ours is not None and its is not None and its > bare:
        by_cpu = ratio(record.cpu_ms(case, OURS), record.cpu_ms(case, server))
        yield Verdict(f"{figure}, against {server}", "≤", bound, (ours - bare) / (its - bare), by_cpu=by_cpu)


def _first_token_spread(record: Record) -> Iterator[Verdict]:
    spread = record.middle(gateway.FIRST_TOKEN, OURS, lambda one: (one.p99_ms or 0.0) - (one.p50_ms or 0.0))
    if spread is not None:
        yield Verdict("time to first token, p99 - p50", "≤", 3.0, spread, "ms")


def _growth(record: Record) -> Iterator[Verdict]:
    facts = record.facts
    peer = facts.get(f"{gateway.RSS}, {LITELLM}")
    if growth.RSS_AFTER in facts and peer:
        yield Verdict(f"{growth.RSS_AFTER}, against {LITELLM}", "≤", 0.5, facts[growth.RSS_AFTER] / peer)
    for name, bound, unit in ((growth.GROWTH, 2.0, "%"), (growth.QUERIES, 6.0, "queries")):
        if name in facts:
            yield Verdict(name, "≤", bound, facts[name], unit)
    few, many = record.rate(growth.ROWS, growth.FEW), record.rate(growth.ROWS, growth.ALL)
    if few and many:
        by_cpu = ratio(record.cpu_ms(growth.ROWS, growth.FEW), record.cpu_ms(growth.ROWS, growth.ALL))
        yield Verdict(
            "requests/s with 100,000 keys and 50,000 models, against 10", "≥", 0.95, many / few, by_cpu=by_cpu
        )
    of_two = ratio(record.cpu_ms(growth.WORKERS, growth.TWO_WORKERS), record.cpu_ms(growth.WORKERS, growth.ONE_WORKER))
    if of_two is not None:
        yield Verdict("CPU per request, two web workers against one", "≤", 1.15, of_two)
    p50 = record.p50_ms(growth.TENANTS, OURS)
    if p50 is not None:
        yield Verdict(f"{growth.TENANTS}: p50", "≤", 15, p50, "ms")


def _revocation(record: Record) -> Iterator[Verdict]:
    if revocation.LONGEST in record.facts:
        yield Verdict(revocation.REVOKED, "≤", 1000, record.facts[revocation.LONGEST], "ms")
