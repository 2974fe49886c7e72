"""One `UsageRecord` for each call of either plane, written in batches.

Nobody who is answered waits for it. A crash loses at most `USAGE_FLUSH_SECONDS` of records; a database that is down
loses none, until the buffer is full.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from time import monotonic
from typing import Final

import structlog
from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, connections
from prometheus_client import Counter

from providers.usage.rows import Call, insert

BUFFER_MAX_RECORDS: Final = 100_000
BATCH_RECORDS: Final = 500

log = structlog.get_logger(__name__)
lost = Counter("modelyard_usage_records_lost", "Usage records that could not be written")


_buffer: deque[Call] = deque()
_lock = threading.Lock()
_writer: threading.Thread | None = None
_hurry = threading.Event()


def record(call: Call) -> None:
    """Note a call. From any thread or loop; never waits and never fails."""
    if len(_buffer) >= BUFFER_MAX_RECORDS:
        _buffer.popleft()
        lost.inc()
    _buffer.append(call)
    if _writer is None:
        _start_writer()


def flush(timeout_seconds: float = 10.0) -> None:
    """Have all that was noted written before this returns, if the database lets it."""
    ends_at = monotonic() + timeout_seconds
    if _buffer:
        _start_writer()
    while (writer := _present_writer()) is not None and (left_seconds := ends_at - monotonic()) > 0:
        _hurry.set()
        writer.join(left_seconds)  # one that ended while something was noted has begun another


def _present_writer() -> threading.Thread | None:
    with _lock:  # one that is being started is waited for as well
        return _writer


def _start_writer() -> None:
    """A thread for as long as there is something to write; between bursts it holds no database connection."""
    global _writer
    with _lock:
        if _writer is None:
            _hurry.clear()
            _writer = threading.Thread(target=_write_until_empty, name="usage-writer", daemon=True)
            _writer.start()


def _write_until_empty() -> None:
    global _writer
    try:
        while True:
            is_last = _hurry.wait(settings.USAGE_FLUSH_SECONDS)
            written = _write_all()
            if not _buffer or (is_last and not written):
                break
    finally:
        connections.close_all()
        _writer = None
    if _buffer and written:  # noted while this thread was ending
        _start_writer()


def _write_all() -> bool:
    """False when the database is down: what is buffered stays."""
    while _buffer:
        batch = [_buffer.popleft() for _ in range(min(len(_buffer), BATCH_RECORDS))]
        try:
            _write(batch)
        except DatabaseError as fault:
            log.warning("usage_not_written", error=str(fault), records=len(_buffer) + len(batch))
            _buffer.extendleft(reversed(batch))
            return False
    return True


def _write(batch: list[Call]) -> None:
    try:
        insert(batch)
    except (IntegrityError, DataError):  # a tenant was deleted meanwhile, or a fact is odd: keep the others'
        for call in batch:
            _write_one(call)


def _write_one(call: Call) -> None:
    try:
        insert([call])
    except (IntegrityError, DataError) as fault:
        log.warning("usage_record_lost", error=str(fault))
        lost.inc()


atexit.register(flush)
