"""The web process for a machine that may stand still: nothing it remembers lapses by its age, so that what ends has
ended by a word about it; and a Redis that is slow is not taken for one that is down."""

from __future__ import annotations

from config.asgi import application
from providers import fresh_cache, redis

__all__ = ["application"]

fresh_cache.LIFETIME_SECONDS = 3600.0
redis.COMMAND_SECONDS = redis.CONNECT_SECONDS = 20.0
