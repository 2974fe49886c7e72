"""How often something was asked for within a time, counted in the cache: over all processes, or in each by itself
while Redis is down."""

from __future__ import annotations

import time

from django.core.cache import cache

from tenants.problems import Problem


def refuse_more_than(number: int, *, of: str, per_seconds: int) -> None:
    """Count one more of `of`. Raises Problem `rate_limit_exceeded` (429) from the next one on, until the time is up."""
    window, elapsed = divmod(int(time.time()), per_seconds)
    name = f"count:{of}:{window}"
    cache.add(name, 0, timeout=per_seconds)
    try:
        counted = cache.incr(name)
    except ValueError:  # it ended just now
        return
    if counted > number:
        raise Problem("rate_limit_exceeded", headers={"Retry-After": str(per_seconds - elapsed)})
