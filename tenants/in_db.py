"""The async world's one door to the ORM: `await in_db(fn, …)`.

A small pool of lasting threads keeps its database connections, where `sync_to_async` has one thread for all and a
fresh executor would connect anew each time. A connection that has rested is asked whether it lives; one that was just
used is not, so that each thread may fail one call of a database that restarts. `config/asgi.py` opens the pool in
lifespan start (an executor made at import is dead after the first lifespan) and closes it at the end; elsewhere it
opens on first use.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import close_old_connections, connections

P = ParamSpec("P")
R = TypeVar("R")

CLOSE_SECONDS = 5.0
TRUSTED_SECONDS = 1.0  # after a call went well: its connection is not asked whether it lives before the next one

_lock = threading.Lock()
_this_thread = threading.local()  # `went_well_at`: a monotonic time
_pool: ThreadPoolExecutor | None = None
_threads = 0  # of the pool


def _size() -> int:
    return int(settings.IN_DB_THREADS)


def open_pool() -> ThreadPoolExecutor:
    """The process's pool, made if there is none."""
    global _pool, _threads
    with _lock:
        if _pool is None:
            _threads = _size()
            _pool = ThreadPoolExecutor(max_workers=_threads, thread_name_prefix="in_db")
        return _pool


def close_pool() -> None:
    """End the pool, if there is one."""
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool is not None:
        retire(pool, threads=_threads)  # as many as it was made with


def retire(pool: ThreadPoolExecutor, *, threads: int) -> None:
    """End a pool of database threads. Each closes its own connections: else PostgreSQL keeps them open."""
    together = threading.Barrier(threads)
    closings = [pool.submit(_close_connections, together) for _ in range(threads)]
    wait(closings, timeout=CLOSE_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)


def _close_connections(together: threading.Barrier) -> None:
    with suppress(threading.BrokenBarrierError):  # a thread is busy: the others still close theirs
        together.wait(CLOSE_SECONDS)  # so that every thread takes exactly one of these
    connections.close_all()


def _run(call: Callable[[], R]) -> R:
    close_old_connections()
    if time.monotonic() - getattr(_this_thread, "went_well_at", 0.0) < TRUSTED_SECONDS:
        for each in connections.all(initialized_only=True):
            # Else every call of a busy process would be two trips to the database.
            each.health_check_done = True  # type: ignore[attr-defined] # the stubs do not know it
    _this_thread.went_well_at = 0.0
    try:
        result = call()
        _this_thread.went_well_at = time.monotonic()
        return result
    finally:
        close_old_connections()


async def in_db(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run sync `fn` in a database thread, with the caller's context variables, and give back what it returns."""
    call = partial(copy_context().run, _run, partial(fn, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(open_pool(), call)
