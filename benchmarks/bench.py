"""One run: what was asked for, where things are, and what has been found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.installation import Installation, install
from benchmarks.record import Record


@dataclass
class Bench:
    """`with_peers` and `is_quick` are the options of the same name; `cache` is where the peers live."""

    directory: Path
    upstream_url: str
    redis_url: str
    seconds: float
    rounds: int
    case: str
    with_peers: bool
    is_quick: bool
    is_sqlite_only: bool
    cache: Path
    record: Record = field(default_factory=Record)

    def wants(self, *names: str) -> bool:
        return any(self.case in name for name in names)

    def few(self, quick: int, full: int) -> int:
        return quick if self.is_quick else full

    def installation(self, name: str, database_url: str | None = None) -> Installation:
        return install(self.directory / name, self.redis_url, self.upstream_url, database_url)
