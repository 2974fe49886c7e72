"""The gateway against the model server itself, the floors and the peers: rates, frames, time to first token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks import client, peers
from benchmarks.bench import Bench
from benchmarks.contenders import DIRECT, FLOORS, OURS, Contender, floor
from benchmarks.load import Case, chat, measure
from benchmarks.processes import rss_mib
from benchmarks.record import Measured, percentile

ONE, MANY = "unary c=1", "unary c=32"
SHORT, LONG = "8-chunk streams c=16", "64-chunk streams c=16"
FRAMES, FIRST_TOKEN = "frames of 8-chunk streams", "time to first token, paced"
CASES = (
    Case(ONE, 1, chat()),
    Case(MANY, 32, chat()),
    Case(SHORT, 16, chat("[chunks=8]", stream=True)),
    Case(LONG, 16, chat("[chunks=64]", stream=True)),
)
NAMES = (*(case.name for case in CASES), FRAMES, FIRST_TOKEN)
PACED = chat("[chunks=4 pace_ms=5]", stream=True)
WARM_SECONDS = 1
WARM_STREAMS = 5  # what a process looks up once in its life
RSS = "RSS MiB after the gateway's cases"


def run(bench: Bench) -> None:
    with _contenders(bench) as contenders:
        streaming = [contender for contender in contenders if contender.streams]
        for case in CASES:
            if bench.wants(case.name):
                _load(bench, case, streaming if "stream" in case.body else contenders)
        if bench.wants(FRAMES):
            for contender in streaming:
                _frames(bench, contender)
        if bench.wants(FIRST_TOKEN):
            _first_token(bench, streaming)
        for contender in contenders:
            if contender.pid:
                bench.record.facts[f"{RSS}, {contender.name}"] = rss_mib(contender.pid)


@contextmanager
def _contenders(bench: Bench) -> Iterator[list[Contender]]:
    with ExitStack() as stack:
        found = [Contender(DIRECT, bench.upstream_url, "none", 0)]
        found += [stack.enter_context(floor(name, bench.upstream_url)) for name in FLOORS]
        found.append(stack.enter_context(bench.installation("gateway").web()))
        if bench.with_peers:
            found += [stack.enter_context(peers.peer(name, bench.upstream_url, bench.cache)) for name in peers.NAMES]
        yield found


def _load(bench: Bench, case: Case, contenders: list[Contender]) -> None:
    for contender in contenders:
        measure(case, contender, WARM_SECONDS)
    for _ in range(bench.rounds):
        for contender in contenders:
            bench.record.add(case.name, contender.name, measure(case, contender, bench.seconds))


def _frames(bench: Bench, contender: Contender) -> None:
    count = bench.few(400, 2000) if contender.name == OURS else bench.few(50, 200)
    faults = client.wait_for(client.faulty_streams(contender, chat("[chunks=8]", stream=True), 8, count))
    bench.record.add(FRAMES, contender.name, Measured(errors=faults))


def _first_token(bench: Bench, contenders: list[Contender]) -> None:
    for contender in contenders:
        client.wait_for(client.first_token_ms(contender, PACED, WARM_STREAMS))
    for _ in range(bench.rounds):
        for contender in contenders:
            found = client.wait_for(client.first_token_ms(contender, PACED, bench.few(40, 120)))
            times = Measured(p50_ms=percentile(found, 0.5), p99_ms=percentile(found, 0.99))
            bench.record.add(FIRST_TOKEN, contender.name, times)
