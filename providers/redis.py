"""The doors to Redis or Valkey: one client per event loop and use, one for sync code, and the names of all keys.

Three uses, since redis-py cuts every answer off after `socket_timeout` (5 s unless told):
* `async_redis()`     short commands on the running loop
* `blocking_redis()`  BLPOP and XREAD that block: no socket limit of their own
* `sync_redis()`      threads: doorbells after a commit, the sweep
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import redis
from django.conf import settings
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

COMMAND_SECONDS = 2.0
CONNECT_SECONDS = 1.0
REST_SECONDS = 3.0  # after a Redis that was silent, before threads ask it again

# What a caller that can do without Redis catches.
REDIS_DOWN = (RedisConnectionError, RedisTimeoutError, OSError)

__all__ = [
    "REDIS_DOWN",
    "RedisError",
    "ResponseError",
    "async_redis",
    "blocking_redis",
    "close_async",
    "exchange",
    "key",
    "packed",
    "sync_redis",
]

_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], AsyncRedis]] = WeakKeyDictionary()
_sync: dict[tuple[int, str], redis.Redis] = {}
_lock = threading.Lock()


def key(*parts: object) -> str:
    """The name of a key: `modelyard:job:0192…`."""
    return ":".join((settings.REDIS_PREFIX, *map(str, parts)))


def async_redis() -> AsyncRedis:
    """The running loop's client for short commands. A command that gets no answer fails after `COMMAND_SECONDS`."""
    return _client_of_loop("short", COMMAND_SECONDS)


def blocking_redis() -> AsyncRedis:
    """The running loop's client for commands that block: each holds a connection, and says itself how long."""
    return _client_of_loop("blocking", None)


def packed(*words: bytes) -> bytes:
    """One command as Redis reads it; redis-py takes twenty times as long to say the same."""
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


async def exchange(commands: Sequence[bytes]) -> list[Any]:
    """Send `packed` commands in one go; a reply or a ResponseError for each. Raises what is in REDIS_DOWN."""
    pool = async_redis().connection_pool
    connection: Any = await pool.get_connection()  # type: ignore[no-untyped-call]
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            await connection.send_packed_command([b"".join(commands)], check_health=False)
            return [await _reply(connection) for _ in commands]
    except BaseException:  # replies may still be on their way: nobody else may take them for theirs
        await connection.disconnect(nowait=True)
        raise
    finally:
        await pool.release(connection)


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response(disable_decoding=True, timeout=math.inf)
    except ResponseError as error:
        return error


async def close_async() -> None:
    """Close what this loop opened; for the end of a loop."""
    for client in _of_loop.pop(asyncio.get_running_loop(), {}).values():
        await client.aclose()


class _Resting(Retry):
    """One reconnect for a connection that died while idle; and a Redis that was silent is not asked again at once.

    Else every submit of a group would wait for its own timeout while Redis hangs, and all of them one after the other.
    """

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        self._silent_until = 0.0

    def __deepcopy__(self, _memo: Any) -> _Resting:
        return self  # redis-py copies it into each connection: they share what they know

    def call_with_retry(self, do: Any, fail: Any, *args: Any, **options: Any) -> Any:
        if time.monotonic() < self._silent_until:
            raise RedisTimeoutError("Redis was silent a moment ago.")
        try:
            return super().call_with_retry(do, fail, *args, **options)
        except RedisTimeoutError:
            self._silent_until = time.monotonic() + REST_SECONDS
            raise


def sync_redis() -> redis.Redis:
    """This process's client for threads. Never made before a fork and used after it.

    When a command got no answer within `COMMAND_SECONDS`, further ones fail at once for `REST_SECONDS`.
    """
    name = (os.getpid(), settings.REDIS_URL)
    with _lock:
        if name not in _sync:
            _sync[name] = redis.Redis.from_url(name[1], retry=_Resting(), **_limits(COMMAND_SECONDS))
        return _sync[name]


def _client_of_loop(use: str, socket_timeout: float | None) -> AsyncRedis:
    clients = _of_loop.setdefault(asyncio.get_running_loop(), {})
    name = (use, settings.REDIS_URL)
    if name not in clients:
        retry = AsyncRetry(NoBackoff(), 1)  # one reconnect for a connection that died while idle
        clients[name] = AsyncRedis.from_url(name[1], retry=retry, **_limits(socket_timeout))
    return clients[name]


def _limits(socket_timeout: float | None) -> dict[str, Any]:
    limits: dict[str, Any] = {"socket_timeout": socket_timeout, "socket_connect_timeout": CONNECT_SECONDS}
    if not settings.REDIS_URL.startswith("unix:"):
        limits["socket_keepalive"] = True
    return limits
