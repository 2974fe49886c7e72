"""What a run says: lines while it goes on, and at the end a table with every figure."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

MOST_FINDINGS = 10


@dataclass(frozen=True)
class Figure:
    name: str
    value: float | int | str
    must: str  # as a reader says it; empty: for information
    holds: bool = True


@dataclass
class Result:
    scenario: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.findings and all(figure.holds for figure in self.figures)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "passed": self.passed}


class Report:
    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._began_at = time.monotonic()

    def say(self, text: str) -> None:
        self.console.print(f"[dim]{time.monotonic() - self._began_at:7.1f} s[/dim]  {text}")

    def table(self, results: list[Result], *, seed: int, database: str) -> None:
        table = Table(title=f"bin/chaos, seed {seed}, {database}", title_justify="left")
        for heading in ("", "figure", "is", "must be", ""):
            table.add_column(heading)
        for result in results:
            table.add_row(f"[bold]{result.scenario}[/bold]", f"[bold]{result.title}[/bold]", f"{result.seconds:.0f} s")
            for figure in result.figures:
                mark = _mark(figure.holds) if figure.must else ""
                table.add_row("", figure.name, _shown(figure.value), figure.must, mark)
            said = "none" if not result.findings else str(len(result.findings))
            table.add_row("", "violations of I1 to I8", said, "none", _mark(not result.findings))
        self.console.print(table)
        for result in results:
            for finding in result.findings[:MOST_FINDINGS]:
                self.console.print(f"[red]{result.scenario}[/red] {finding}", markup=True)


def _mark(holds: bool) -> str:
    return "[green]ok[/green]" if holds else "[red]MISSED[/red]"


def _shown(value: float | int | str) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
