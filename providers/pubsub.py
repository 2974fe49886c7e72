"""What the processes tell each other at once: one Redis pub/sub connection for each, heard by its event loop.

Nothing may depend on a word: a process that is deaf must still be right, only later. `is_listening` tells.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from providers.redis import REDIS_DOWN, RedisError, blocking_redis, key, sync_redis

RECONNECT_SECONDS = 0.5
ALIVE_SECONDS = 5.0  # a connection that stays silent this long is pinged: a dead one would leave us deaf

log = structlog.get_logger(__name__)

_handlers: dict[str, Callable[[str], None]] = {}
_on_change: list[Callable[[], None]] = []
_listener: asyncio.Task[None] | None = None
_hears = False


def hear(channel: str, handler: Callable[[str], None]) -> None:
    """Have `handler` called with each word said on `channel`, in the listening loop. To be said at import."""
    _handlers[channel] = handler


def on_change(handler: Callable[[], None]) -> None:
    """Have `handler` called when hearing begins or ends: words may have been missed."""
    _on_change.append(handler)


def say(channel: str, word: str) -> None:
    """Tell every process that listens. From a thread; never raises."""
    try:
        sync_redis().publish(key(channel), word)
    except (RedisError, *REDIS_DOWN) as fault:
        log.warning("word_not_sent", channel=channel, error=str(fault))


def is_listening() -> bool:
    """Whether words of other processes reach this one right now."""
    return _hears


def listen() -> None:
    """Have the running loop listen, unless one of this process does already."""
    global _listener
    if _listener is None or _listener.done() or _listener.get_loop().is_closed():
        _listener = asyncio.get_running_loop().create_task(_listen(), name="pubsub")


async def stop() -> None:
    """Stop listening, if this loop is the one that does."""
    global _listener
    task = _listener
    if task is None or task.get_loop() is not asyncio.get_running_loop():
        return
    _listener = None
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _listen() -> None:
    while True:
        try:
            await _hear()
        except (RedisError, *REDIS_DOWN) as fault:
            log.warning("words_unheard", error=str(fault))
        finally:
            _change(False)
        await asyncio.sleep(RECONNECT_SECONDS)


def _change(hears: bool) -> None:
    global _hears
    _hears = hears
    for handler in _on_change:
        handler()


async def _hear() -> None:
    channels = {key(channel).encode(): handler for channel, handler in _handlers.items()}
    async with blocking_redis().pubsub() as pubsub:
        await pubsub.subscribe(*channels)
        heard_at = time.monotonic()
        while True:
            message = await pubsub.get_message(timeout=ALIVE_SECONDS)
            if message is None:
                if time.monotonic() - heard_at > 3 * ALIVE_SECONDS:
                    raise ConnectionError("Redis no longer answers.")
                await pubsub.ping()
                continue
            heard_at = time.monotonic()
            if message["type"] == "message":
                channels[message["channel"]](message["data"].decode())
            elif message["type"] == "subscribe" and message["data"] == len(channels):
                _change(True)
