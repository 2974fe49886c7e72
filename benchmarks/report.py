"""The tables on the screen and the figures as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.contenders import OURS
from benchmarks.must import verdicts
from benchmarks.processes import ROOT
from benchmarks.record import Measured, Record
from benchmarks.verdict import Verdict

WIDTH = 170


def show(record: Record) -> None:
    console = Console(width=WIDTH)
    console.print(_rounds(record))
    if record.facts:
        console.print(_facts(record))
    console.print(_verdicts(verdicts(record)))


def _rounds(record: Record) -> Table:
    table = Table(title=f"{commit()} on {machine()}")
    headings = ("case", "server", "per second", "range", "p50 ms", "p99 ms", "CPU ms", "range", "errors")
    for heading in (*headings, "ours / it", "by CPU"):
        table.add_column(heading, justify="left" if heading in ("case", "server") else "right")
    for case, servers in record.rounds.items():
        for server, rounds in servers.items():
            table.add_row(case, server, *_cells(record, case, server, rounds))
        table.add_section()
    return table


def _cells(record: Record, case: str, server: str, rounds: list[Measured]) -> list[str]:
    rates = [one.per_second for one in rounds if one.per_second is not None]
    cpu = [one.cpu_ms for one in rounds if one.cpu_ms is not None]
    return [
        _number(record.rate(case, server), ",.0f"),
        f"{min(rates):,.0f}-{max(rates):,.0f}" if rates else "",
        _number(record.p50_ms(case, server), ".2f"),
        _number(record.p99_ms(case, server), ".2f"),
        _number(record.cpu_ms(case, server), ".3f"),
        f"{min(cpu):.3f}-{max(cpu):.3f}" if cpu else "",
        str(sum(one.errors for one in rounds)),
        _quotient(record.rate(case, OURS), record.rate(case, server)),
        _quotient(record.cpu_ms(case, server), record.cpu_ms(case, OURS)),
    ]


def _facts(record: Record) -> Table:
    table = Table("fact", "value")
    for name, value in record.facts.items():
        table.add_row(name, f"{value:,.2f}")
    return table


def _verdicts(found: list[Verdict]) -> Table:
    table = Table("figure", "must", "measured", "by CPU", "", title="Must reach")
    for one in found:
        said = "reached" if one.is_reached else f"[bold]missed by {one.missed_by}[/bold]"
        by_cpu = "" if one.by_cpu is None else f"{one.by_cpu:.2f} x"
        table.add_row(one.figure, f"{one.sign} {one.bound:g} {one.unit}", f"{one.value:.2f} {one.unit}", by_cpu, said)
    return table


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _quotient(over: float | None, under: float | None) -> str:
    return f"{over / under:.2f}" if over is not None and under else ""


def write(record: Record, path: Path, options: dict[str, object]) -> None:
    rounds = {
        case: {name: [asdict(one) for one in rounds] for name, rounds in servers.items()}
        for case, servers in record.rounds.items()
    }
    content = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "options": options,
        "results": rounds,
        "facts": record.facts,
        "verdicts": [{**asdict(one), "reached": one.is_reached} for one in verdicts(record)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False))


def commit() -> str:
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or "no commit"


def machine() -> str:
    load = os.getloadavg()[0]
    return f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}"
