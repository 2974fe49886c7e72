"""`bin/bench`: floors, peers and this project in one run, in turn, as a table with ratios; JSON beside it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import gateway, growth, live, report, revocation, throughput
from benchmarks.bench import Bench
from benchmarks.contenders import upstream
from benchmarks.processes import stay_on_load_core
from config.stack import valkey

CACHE = Path.home() / ".cache" / "modelyard-bench"
Suite = Callable[[Bench], None]
SUITES: list[tuple[tuple[str, ...], Suite]] = [
    (gateway.NAMES, gateway.run),
    (growth.NAMES, growth.run),
    (revocation.NAMES, revocation.run),
    (throughput.NAMES, throughput.run),
    (live.NAMES, live.run),
]


def main() -> None:
    chosen = _options()
    stay_on_load_core()
    with ExitStack() as stack:
        bench = _bench(stack, chosen)
        for names, suite in SUITES:
            if bench.wants(*names):
                suite(bench)
    if not bench.record.rounds and not bench.record.facts:
        sys.exit(f"No case is named like {chosen.case!r}: bin/bench --list")
    report.show(bench.record)
    report.write(bench.record, chosen.json, {name: str(value) for name, value in vars(chosen).items()})


def _bench(stack: ExitStack, chosen: argparse.Namespace) -> Bench:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
    directory.chmod(0o711)  # PostgreSQL runs as somebody else
    return Bench(
        directory=directory,
        upstream_url=stack.enter_context(upstream()),
        redis_url=stack.enter_context(valkey.running(directory / "valkey")),
        seconds=chosen.seconds or (2 if chosen.quick else 4),
        rounds=chosen.rounds or (1 if chosen.quick else 3),
        case=chosen.case,
        with_peers=chosen.peers,
        is_quick=chosen.quick,
        is_sqlite_only=chosen.sqlite_only,
        cache=chosen.cache,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of everything, to see that it works")
    parser.add_argument("--peers", action="store_true", help="with LiteLLM, MLflow gateway and Portkey")
    parser.add_argument("--sqlite-only", action="store_true", help="without PostgreSQL")
    parser.add_argument("--case", default="", help="only cases whose name holds this")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--seconds", type=float, help="of load for each case and round (4; quick: 2)")
    parser.add_argument("--rounds", type=int, help="in turn; medians are shown (3; quick: 1)")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the peers are installed")
    parser.add_argument("--json", type=Path, default=Path("var/bench.json"), help="where the figures go as JSON")
    chosen = parser.parse_args()
    if chosen.list:
        print("\n".join(name for names, _ in SUITES for name in names))
        sys.exit()
    return chosen


if __name__ == "__main__":
    main()
