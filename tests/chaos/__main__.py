"""bin/chaos [scenario …] [--seed N] [--sqlite] [--short] [--workers N] [--json FILE] [--keep]"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.report import Report, Result
from tests.chaos.stack import Stack, running


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped on the way out
    report = Report()
    directory = Path(tempfile.mkdtemp(prefix="modelyard-chaos."))
    directory.chmod(0o711)  # PostgreSQL runs as another user where we are root
    report.say(f"seed {options.seed}, {options.database}; logs and histories in {directory}")
    with running(directory, options.database, workers=options.workers) as stack:
        results = asyncio.run(_play_all(stack, report, options))
    report.table(results, seed=options.seed, database=options.database)
    if options.json:
        options.json.write_text(json.dumps([result.as_json() for result in results], indent=1))
    passed = all(result.passed for result in results)
    if passed and not options.keep:
        shutil.rmtree(directory)
    return 0 if passed else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/chaos", description="Harm the running system, and check what must hold.")
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help="such as F1; default: all")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--sqlite", dest="database", action="store_const", const="sqlite", default="postgres")
    parser.add_argument("--short", action="store_true", help="the shrunk form that bin/test runs")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--keep", action="store_true", help="keep logs and histories also when all is well")
    options = parser.parse_args()
    options.scenarios = [name.upper() for name in options.scenarios]
    return options


async def _play_all(stack: Stack, report: Report, options: argparse.Namespace) -> list[Result]:
    from tests.chaos.play import chosen, play  # knows the models: Django is set up by now

    await stack.ready()
    report.say("web, scheduler and workers are up")
    results = []
    for scenario in chosen(options):
        began_at = time.monotonic()
        result = await play(scenario, stack, report, seed=options.seed, is_short=options.short)
        result.seconds = time.monotonic() - began_at
        report.say(f"{scenario.name}: {'passed' if result.passed else 'FAILED'} in {result.seconds:.0f} s")
        results.append(result)
    return results


if __name__ == "__main__":
    sys.exit(main())
