"""One asyncio loop per worker process, in a thread of its own: upstream calls, frames and doorbells live on it.

The loop starts on first use and belongs to the process that started it (a loop made before a fork does not exist in
the child). `spawn` holds its tasks, since asyncio itself holds them only weakly: one that waits on a socket alone can
be collected in the middle of its life. What a task raises is logged, never lost.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

R = TypeVar("R")

START_SECONDS = 10.0
log = structlog.get_logger(__name__)

_held: set[asyncio.Task[Any]] = set()
_lock = threading.Lock()


@dataclass(eq=False)
class _Running:
    pid: int
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    stopping: list[Callable[[float], Coroutine[Any, Any, None]]] = field(default_factory=list)


_running: _Running | None = None


def spawn(coro: Coroutine[Any, Any, R], *, name: str) -> asyncio.Task[R]:
    """Start a task on the running loop and hold it until it ends; an exception that nobody awaits is logged."""
    task = asyncio.get_running_loop().create_task(coro, name=name)
    _held.add(task)
    task.add_done_callback(_let_go)
    return task


def _let_go(task: asyncio.Task[Any]) -> None:
    _held.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("loop_task_failed", task=task.get_name(), exc_info=error)


def loop() -> asyncio.AbstractEventLoop:
    """This process's loop, started if it does not run yet."""
    return _ensure().loop


def is_running() -> bool:
    return _running is not None and _running.pid == os.getpid() and _running.thread.is_alive()


def submit(coro: Coroutine[Any, Any, R]) -> Future[R]:
    """Run a coroutine on the loop, from any thread. The future gives what it returns or raises."""
    return asyncio.run_coroutine_threadsafe(coro, loop())


def start(coro: Coroutine[Any, Any, R], *, name: str) -> Future[R]:
    """`spawn` from any thread: an exception that nobody asks the future for is logged all the same."""
    return submit(_spawned(coro, name))


async def _spawned(coro: Coroutine[Any, Any, R], name: str) -> R:
    return await spawn(coro, name=name)


def call_soon(fn: Callable[..., object], *args: Any) -> None:
    """Call a plain function on the loop, from any thread."""
    loop().call_soon_threadsafe(fn, *args)


def on_stop(fn: Callable[[float], Coroutine[Any, Any, None]]) -> None:
    """Have `fn(grace_seconds)` awaited on the loop before it stops; the last one registered comes first."""
    _ensure().stopping.insert(0, fn)


def stop(grace_seconds: float) -> None:
    """Let what `on_stop` registered come to its end within `grace_seconds` each, then end the loop and its thread."""
    global _running
    with _lock:
        running, _running = _running, None
    if running is None or running.pid != os.getpid():
        return
    closing = asyncio.run_coroutine_threadsafe(_wind_down(running, grace_seconds), running.loop)
    try:
        closing.result(timeout=grace_seconds * 2 + START_SECONDS)
    except TimeoutError:
        log.error("loop_did_not_stop", grace_seconds=grace_seconds)
    running.loop.call_soon_threadsafe(running.loop.stop)
    running.thread.join(START_SECONDS)


async def _wind_down(running: _Running, grace_seconds: float) -> None:
    for fn in running.stopping:
        try:
            await fn(grace_seconds)
        except Exception:  # the outermost loop of the worker: the others must still come to their end
            log.exception("loop_stop_step_failed", step=getattr(fn, "__qualname__", repr(fn)))
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def _ensure() -> _Running:
    global _running
    with _lock:
        if _running is None or _running.pid != os.getpid() or not _running.thread.is_alive():
            _running = _start()
        return _running


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # no wheel on this platform
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _start() -> _Running:
    new = _new_loop()
    ready = threading.Event()
    thread = threading.Thread(target=_turn, args=(new, ready), name="worker_loop", daemon=True)
    thread.start()
    if not ready.wait(START_SECONDS):
        raise RuntimeError("The worker's event loop did not start.")
    return _Running(os.getpid(), new, thread)


def _turn(new: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
    asyncio.set_event_loop(new)
    new.call_soon(ready.set)
    try:
        new.run_forever()
    finally:
        new.run_until_complete(new.shutdown_asyncgens())
        new.close()
