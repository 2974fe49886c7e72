"""What processes hold: samples of memory over a scenario, and the slope through them."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field

from tests.chaos.processes import Process

SAMPLE_SECONDS = 2.0
WARM_UP_SECONDS = 60.0
LONG_ENOUGH_SECONDS = 120.0  # for a slope that tells something
MEGABYTE = 1024 * 1024


@dataclass
class Memory:
    """Samples by process id, so that a restarted process begins anew."""

    samples: dict[tuple[str, int], list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))

    async def watch(self, processes: list[Process]) -> None:
        while True:
            for process in processes:
                self._sample(process)
            await asyncio.sleep(SAMPLE_SECONDS)

    def _sample(self, process: Process) -> None:
        if process.is_alive:
            try:
                self.samples[process.name, process.pid].append((time.monotonic(), process.rss_bytes()))
            except (OSError, ValueError, IndexError):  # it ends at this moment
                return

    def slope(self, process: Process) -> float | None:
        """Megabytes a minute after the warm-up; None where it did not live long enough."""
        samples = self.samples.get((process.name, process.pid), [])
        if not samples or samples[-1][0] - samples[0][0] < LONG_ENOUGH_SECONDS + WARM_UP_SECONDS:
            return None
        warm = [sample for sample in samples if sample[0] >= samples[0][0] + WARM_UP_SECONDS]
        return _slope(warm) * 60 / MEGABYTE


def _slope(samples: list[tuple[float, int]]) -> float:
    """Least squares, in bytes a second."""
    mean_at = sum(at for at, _ in samples) / len(samples)
    mean_size = sum(size for _, size in samples) / len(samples)
    spread = sum((at - mean_at) ** 2 for at, _ in samples)
    return sum((at - mean_at) * (size - mean_size) for at, size in samples) / spread
