"""What jobs must reach."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import live, throughput
from benchmarks.contenders import OURS
from benchmarks.engines import POSTGRESQL, SQLITE
from benchmarks.record import Record
from benchmarks.verdict import Verdict, ratio


def jobs(record: Record) -> Iterator[Verdict]:
    for engine, submits, carried in ((SQLITE, 0.6, 2.0), (POSTGRESQL, 0.4, 1.0)):
        yield from _against(record, f"{throughput.SUBMITS}, {engine}", throughput.PUBLISHING, submits)
        yield from _at_most(record, f"{throughput.SUBMITS}, {engine}", OURS, p99=60)
        yield from _against(record, f"{throughput.END_TO_END}, {engine}", throughput.EMPTY_TASK, carried)
        yield from _at_most(record, f"{live.FIRST_TOKEN}, {engine}", live.OVER_OWN, p50=10)
        yield from _fact(record, f"{live.FIRST_TOKEN}, {engine}: {live.P95}", 20, "ms")
        for name, p99, percent in ((live.STREAMS, 10.0, 60.0), (live.READERS, 15.0, None)):
            yield from _at_most(record, f"{name}, {engine}", OURS, p99=p99)
            yield from _faults(record, f"{name}, {engine}")
            if percent is not None:
                yield from _fact(record, f"{name}, {engine}: {live.CORE_PERCENT}", percent, "%")
        yield from _fact(record, f"{live.READERS}, {engine}: {live.CALLS}", 1, "calls")
        of_readers = record.facts.get(f"{live.READERS}, {engine}: {live.CORE_PERCENT}")
        against = ratio(of_readers, record.facts.get(live.XREAD_EACH))
        if against is not None:
            yield Verdict(f"{live.READERS}, {engine}: CPU against an XREAD each", "≤", 0.5, against)
        yield from _fact(record, f"{live.ALL_RSS}, {engine}", 600, "MiB")


def _against(record: Record, case: str, server: str, bound: float) -> Iterator[Verdict]:
    ours, its = record.rate(case, OURS), record.rate(case, server)
    if ours and its:
        by_cpu = ratio(record.cpu_ms(case, server), record.cpu_ms(case, OURS))
        yield Verdict(f"{case}, against {server}", "≥", bound, ours / its, by_cpu=by_cpu)


def _at_most(
    record: Record, case: str, server: str, *, p50: float | None = None, p99: float | None = None
) -> Iterator[Verdict]:
    for name, bound, value in (("p50", p50, record.p50_ms(case, server)), ("p99", p99, record.p99_ms(case, server))):
        if bound is not None and value is not None:
            yield Verdict(f"{case}: {name}", "≤", bound, value, "ms")


def _faults(record: Record, case: str) -> Iterator[Verdict]:
    faults = record.middle(case, OURS, lambda one: float(one.errors))
    if faults is not None:
        yield Verdict(f"{case}: lost or different", "≤", 0, faults, "")


def _fact(record: Record, name: str, bound: float, unit: str) -> Iterator[Verdict]:
    if name in record.facts:
        yield Verdict(name, "≤", bound, record.facts[name], unit)
