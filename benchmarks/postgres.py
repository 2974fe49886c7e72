"""A PostgreSQL of our own, with durability on as in production, for as long as the benchmark runs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.processes import ROOT

USER = "modelyard"
START = str(ROOT / "bin" / "postgres")


@contextmanager
def postgres(directory: Path) -> Iterator[str]:
    """Gives the address of the server, for `database`."""
    subprocess.run([START, "start", str(directory), "-c", "max_connections=200"], check=True, stdout=subprocess.DEVNULL)
    try:
        yield str(directory)
    finally:
        subprocess.run([START, "stop", str(directory), "immediate"], check=True)


def database(server: str, name: str) -> str:
    """A new, empty database; gives its DATABASE_URL."""
    with psycopg.connect(host=server, user=USER, dbname="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    return f"postgres://{USER}@/{name}?host={server}"
