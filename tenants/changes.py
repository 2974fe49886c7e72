"""Who asked to hear when a tenant's keys, members or state change: caches of callers, above this app."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

_listeners: list[Callable[[UUID], None]] = []


def subscribe(listener: Callable[[UUID], None]) -> None:
    """Call `listener(tenant_id)` at each change, inside its transaction: what must follow the commit waits for it."""
    if listener not in _listeners:
        _listeners.append(listener)


def announce(tenant_id: UUID) -> None:
    for listener in _listeners:
        listener(tenant_id)
