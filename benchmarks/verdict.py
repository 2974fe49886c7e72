"""One figure that must be reached, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Verdict:
    """`by_cpu` is the same ratio from CPU per request, which a busy machine blurs least."""

    figure: str
    sign: Literal["≥", "≤"]
    bound: float
    value: float
    unit: str = "x"
    by_cpu: float | None = None

    @property
    def is_reached(self) -> bool:
        return self.value >= self.bound if self.sign == "≥" else self.value <= self.bound

    @property
    def missed_by(self) -> str:
        if self.is_reached:
            return ""
        return f"{abs(self.value - self.bound) / self.bound:.0%}" if self.bound else f"{self.value:g}"


def ratio(over: float | None, under: float | None) -> float | None:
    return over / under if over is not None and under else None
