"""What was measured: rounds for each case and server, and single facts such as a memory's growth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True)
class Measured:
    """One round. None: this case does not tell. `cpu_ms`: of the server, for each request."""

    per_second: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    cpu_ms: float | None = None
    errors: int = 0


@dataclass
class Record:
    rounds: dict[str, dict[str, list[Measured]]] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)

    def add(self, case: str, server: str, measured: Measured) -> None:
        self.rounds.setdefault(case, {}).setdefault(server, []).append(measured)

    def middle(self, case: str, server: str, of: Callable[[Measured], float | None]) -> float | None:
        """The median of all rounds, None where there is nothing."""
        values = [value for one in self.rounds.get(case, {}).get(server, ()) if (value := of(one)) is not None]
        return median(values) if values else None

    def rate(self, case: str, server: str) -> float | None:
        return self.middle(case, server, lambda one: one.per_second)

    def cpu_ms(self, case: str, server: str) -> float | None:
        return self.middle(case, server, lambda one: one.cpu_ms)

    def p50_ms(self, case: str, server: str) -> float | None:
        return self.middle(case, server, lambda one: one.p50_ms)

    def p99_ms(self, case: str, server: str) -> float | None:
        return self.middle(case, server, lambda one: one.p99_ms)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
