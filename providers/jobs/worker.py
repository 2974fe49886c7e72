"""The part of a worker process that runs jobs: begun with its loop, drained before it ends."""

from __future__ import annotations

from providers import invalidation, worker_loop
from providers.jobs.dispatcher import Dispatcher
from providers.upstream import client

_dispatcher: Dispatcher | None = None


def begin() -> None:
    """On the worker's loop: look for work until the loop is stopped. A second call changes nothing."""
    global _dispatcher
    if _dispatcher is not None:
        return
    _dispatcher = Dispatcher()
    worker_loop.on_stop(_drain)
    invalidation.listen()
    _dispatcher.begin()


def look() -> None:
    """Tell the loop to look for work; from any thread. Where no jobs run in this process, nothing happens."""
    if _dispatcher is not None and worker_loop.is_running():
        worker_loop.call_soon(_dispatcher.look)


async def _drain(grace_seconds: float) -> None:
    global _dispatcher
    dispatcher, _dispatcher = _dispatcher, None
    if dispatcher is not None:
        await dispatcher.drain(grace_seconds)
    await invalidation.stop()
    await client.current().aclose()
