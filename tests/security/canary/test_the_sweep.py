"""Everything is driven, whatever can fail fails, and then every place is searched for what was planted: 0 hits.

The stack is a real one: web, worker, scheduler, Valkey and database in processes of their own. What a text may have
been turned into on its way is in spellings.py, where it is looked for in haystacks.py, what is done in flows.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests.security.canary.everything import drive
from tests.security.canary.haystacks import haystacks, report, sorts_of, sweep
from tests.security.canary.observed import observed
from tests.security.canary.planted import Plants

pytestmark = pytest.mark.timeout(600)


def swept(folder: Path, database_url: str | None = None) -> None:
    plants = Plants()
    with observed(folder, database_url=database_url) as stack:
        ids = drive(stack, plants)
        searched = list(haystacks(stack))
    hits = sweep(searched, plants)

    assert not hits, report(hits)
    # It was looked there: what may stand in a place is found in it.
    assert sorts_of(searched, ids["provider"]) >= {"answer", "database"}
    assert sorts_of(searched, ids["validation"]) >= {"answer", "redis commands", "database"}
    assert sorts_of(searched, ids["job"]) >= {"answer", "redis commands", "redis keys", "redis file", "log"}
    assert sorts_of(searched, plants.email.text) >= {"answer", "email", "database"}
    assert sorts_of(searched, "providers_sealedsecret.blob") >= {"output"}
    assert sorts_of(searched, "config.asgi:application") >= {"process cmdline"}
    assert sorts_of(searched, str(stack.state)) >= {"process environ"}


def test_nothing_that_was_planted_is_found_where_it_must_not_be(tmp_path: Path) -> None:
    swept(tmp_path)


@contextmanager
def own_database() -> Iterator[str | None]:
    """One of its own on the server under test; None where that is SQLite."""
    server = os.environ.get("DATABASE_URL")
    if server is None:
        yield None
        return
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE canary")
        try:
            yield urlunsplit(urlsplit(server)._replace(path="/canary"))
        finally:
            admin.execute("DROP DATABASE canary WITH (FORCE)")


@pytest.mark.long
@pytest.mark.django_db
def test_nor_is_it_in_a_dump_of_postgresql(tmp_path: Path) -> None:
    with own_database() as database_url:
        swept(tmp_path, database_url)
