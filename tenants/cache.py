"""Django's cache on Redis, with a cache of this process to fall back on. allauth's login limits live in it."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)


class SteadyCache(RedisCache):
    """While Redis is down each process counts by itself: limits hold, if less tightly, and nobody gets a 500."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._own = LocMemCache("steady", params)

    def _try(self, method: str, *args: Any, **options: Any) -> Any:
        try:
            return getattr(super(), method)(*args, **options)
        except (RedisError, OSError) as fault:
            log.warning("cache_unreachable", error=type(fault).__name__)
            return getattr(self._own, method)(*args, **options)

    def add(self, key: Any, value: Any, *args: Any, **options: Any) -> Any:
        return self._try("add", key, value, *args, **options)

    def get(self, key: Any, *args: Any, **options: Any) -> Any:
        return self._try("get", key, *args, **options)

    def set(self, key: Any, value: Any, *args: Any, **options: Any) -> Any:
        return self._try("set", key, value, *args, **options)

    def touch(self, key: Any, *args: Any, **options: Any) -> Any:
        return self._try("touch", key, *args, **options)

    def delete(self, key: Any, *args: Any, **options: Any) -> Any:
        return self._try("delete", key, *args, **options)

    def has_key(self, key: Any, *args: Any, **options: Any) -> Any:
        return self._try("has_key", key, *args, **options)

    def incr(self, key: Any, *args: Any, **options: Any) -> Any:
        return self._try("incr", key, *args, **options)

    def get_many(self, keys: Any, *args: Any, **options: Any) -> Any:
        return self._try("get_many", keys, *args, **options)

    def set_many(self, data: Any, *args: Any, **options: Any) -> Any:
        return self._try("set_many", data, *args, **options)

    def delete_many(self, keys: Any, *args: Any, **options: Any) -> Any:
        return self._try("delete_many", keys, *args, **options)

    def clear(self) -> Any:
        return self._try("clear")
