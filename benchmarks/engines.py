"""The two databases: an installation on either, and a look at its rows from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
import pysqlite3

from benchmarks.bench import Bench
from benchmarks.installation import Installation
from benchmarks.postgres import database, postgres

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"


@dataclass(frozen=True)
class Engine:
    name: str
    bench: Bench
    server: str = ""

    def installation(self, name: str) -> Installation:
        full = f"{name}-{self.name.lower()}"
        return self.bench.installation(full, database(self.server, full) if self.server else None)


def each_engine(bench: Bench) -> Iterator[Engine]:
    yield Engine(SQLITE, bench)
    if not bench.is_sqlite_only:
        with on_postgresql(bench) as engine:
            yield engine


@contextmanager
def on_postgresql(bench: Bench) -> Iterator[Engine]:
    place = bench.directory / f"postgresql-{len(list(bench.directory.glob('postgresql-*')))}"
    with postgres(place) as server:
        yield Engine(POSTGRESQL, bench, server)


@contextmanager
def rows(installation: Installation) -> Iterator[Callable[[str], int]]:
    """Ask for one number."""
    url = installation.env["DATABASE_URL"]
    if url.startswith("sqlite:///"):
        with closing(pysqlite3.dbapi2.connect(url.removeprefix("sqlite:///"), timeout=20)) as connection:
            yield lambda sql: connection.execute(sql).fetchone()[0]
    else:
        with psycopg.connect(url.replace("postgres://", "postgresql://"), autocommit=True) as connection:
            yield lambda sql: connection.execute(sql).fetchone()[0]  # type: ignore[arg-type, index, no-any-return]
