"""When keys were last used: noted in memory, written in batches. Nobody who is answered waits for it.

Each process writes what it noted every `KEY_USE_FLUSH_SECONDS`; together they write a key at most once a minute. A
crash loses the notes since the last batch, and nothing else depends on them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error
from django.db.models import Case, DateTimeField, Q, QuerySet, Value, When

from tenants.in_db import in_db
from tenants.models import ApiKey

WRITTEN_EVERY: Final = timedelta(seconds=60)
BATCH_KEYS: Final = 300  # at three values each: old builds of SQLite take 999 in a statement

log = structlog.get_logger(__name__)

_noted: dict[UUID, datetime] = {}
_lock = threading.Lock()


def note(api_key: ApiKey, now: datetime) -> None:
    """The key has opened something. From any thread; touches memory alone."""
    if api_key.last_used_at is None or api_key.last_used_at <= now - WRITTEN_EVERY:
        with _lock:
            _noted[api_key.pk] = now


def flush() -> None:
    """Write what was noted. What a database that is down does not take is kept for the next time."""
    with _lock:
        noted = dict(_noted)
        _noted.clear()
    keys = sorted(noted)
    for start in range(0, len(keys), BATCH_KEYS):
        batch = {pk: noted[pk] for pk in keys[start : start + BATCH_KEYS]}
        try:
            _write(batch)
        except Error as fault:
            log.warning("key_use_not_written", error=str(fault), keys=len(batch))
            with _lock:
                _noted.update({pk: used for pk, used in batch.items() if pk not in _noted})


@asynccontextmanager
async def writing() -> AsyncIterator[None]:
    """While inside, notes are written at their interval; the last ones when leaving."""
    writer = asyncio.get_running_loop().create_task(_write_at_intervals(), name="key-use")
    try:
        yield
    finally:
        writer.cancel()
        with suppress(asyncio.CancelledError):
            await writer
        await in_db(flush)


async def _write_at_intervals() -> None:
    while True:
        await asyncio.sleep(settings.KEY_USE_FLUSH_SECONDS)
        if _noted:
            await in_db(flush)


def _write(used: dict[UUID, datetime]) -> None:
    latest = max(used.values())
    stale = Q(last_used_at=None) | Q(last_used_at__lte=latest - WRITTEN_EVERY)
    keys: QuerySet[Any] = ApiKey.unscoped.filter(stale, pk__in=list(used))
    moments = [When(pk=pk, then=Value(moment)) for pk, moment in used.items()]
    keys.update(last_used_at=Case(*moments, output_field=DateTimeField()))
