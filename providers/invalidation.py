"""Tell every process to forget what it remembers of a tenant: within milliseconds, by pub/sub.

A process that cannot hear keeps nothing longer than a second; see `fresh_cache`.
"""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from django.db import transaction

from providers import pubsub
from providers.pubsub import is_listening, listen, stop

__all__ = ["invalidate", "is_listening", "listen", "register", "stop"]

CHANNEL = "invalidate"
EVERYONE = "*"
DEAF_SECONDS = 1.0  # for which what is remembered may still be used once words can no longer be heard


class Forgetful(Protocol):
    """A cache in memory."""

    def drop(self, tenant_id: UUID | None) -> None:
        """Forget the tenant's entries, or all (None)."""

    def expire(self, *, within_seconds: float) -> None:
        """Ask anew for every entry once that time has passed."""


_caches: list[Forgetful] = []


def register(cache: Forgetful) -> None:
    _caches.append(cache)


def invalidate(tenant_id: UUID | None) -> None:
    """Forget `tenant_id` (None: everybody) in every process, once the running transaction has committed. Never raises.

    To be called by each verb that changes a provider, a credential, a model entry, a key or a member's rights.
    """
    transaction.on_commit(lambda: _announce(tenant_id))


def _announce(tenant_id: UUID | None) -> None:
    _drop(tenant_id)
    pubsub.say(CHANNEL, EVERYONE if tenant_id is None else str(tenant_id))


def _drop(tenant_id: UUID | None) -> None:
    for cache in _caches:
        cache.drop(tenant_id)


def _heard(word: str) -> None:
    _drop(None if word == EVERYONE else UUID(word))


def _expire() -> None:
    """What was said while we were deaf is lost."""
    for cache in _caches:
        cache.expire(within_seconds=0.0 if is_listening() else DEAF_SECONDS)


pubsub.hear(CHANNEL, _heard)
pubsub.on_change(_expire)
