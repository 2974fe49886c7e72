"""What clients saw and what was done to the system, in a SQLite file: it can be read when all else has gone."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal[
    "accepted",  # a submit was answered with 202
    "refused",  # it was answered, and not with 202
    "unknown",  # no answer came
    "acknowledged",  # another write was answered with 2xx
    "stream",  # a reader has read to the end
    "cancelled",  # a cancel was answered
    "fault",  # the nemesis acted
    "call",  # a line of the upstream's ledger
    "row_change",  # a line of the database's log of job rows
]


@dataclass(frozen=True)
class Entry:
    at: float
    kind: Kind
    nonce: str
    facts: dict[str, Any]


class History:
    """Append-only; any thread may write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("CREATE TABLE entry (at REAL, kind TEXT, nonce TEXT, facts TEXT)")

    def note(self, kind: Kind, nonce: str = "", *, at: float | None = None, **facts: Any) -> None:
        row = (time.time() if at is None else at, kind, nonce, json.dumps(facts, default=str))
        with self._lock:
            self._connection.execute("INSERT INTO entry VALUES (?, ?, ?, ?)", row)

    def of(self, kind: Kind) -> list[Entry]:
        return list(self._read(kind))

    def _read(self, kind: Kind) -> Iterator[Entry]:
        with self._lock:
            rows = self._connection.execute(
                "SELECT at, kind, nonce, facts FROM entry WHERE kind = ? ORDER BY at, rowid", (kind,)
            ).fetchall()
        for at, found, nonce, facts in rows:
            yield Entry(at, found, nonce, json.loads(facts))

    def close(self) -> None:
        self._connection.close()
