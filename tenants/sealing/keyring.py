"""The keyring of this installation, and the proof that it is the one its database was sealed with.

A known text sealed under each key (`KeyringCanary`) tells the right id with the wrong bytes before any harm is done.
"""

from __future__ import annotations

from functools import lru_cache

import structlog
from django.db import DatabaseError

from tenants.models import KeyringCanary, TenantKey
from tenants.sealing.ring import HOW_TO_MAKE_ONE, KEY_BYTES, Keyring, KeyringError, missing, wrong_bytes
from tenants.sealing.sources import KeySource, sources

__all__ = ["KEY_BYTES", "Keyring", "KeyringError", "keyring", "verify_before_serving", "verify_key", "verify_keyring"]

log = structlog.get_logger(__name__)

_CANARY = b"modelyard keyring canary"


def keyring() -> Keyring:
    """The keyring of the settings. Raises KeyringError with the remedy when it is missing or unfit."""
    return _load(sources())


@lru_cache(maxsize=8)
def _load(places: tuple[KeySource, ...]) -> Keyring:
    """Read once. Two places may only hold the same."""
    found = [ring for ring in (place.load() for place in places) if ring is not None]
    if not found:
        raise KeyringError(
            f"No keyring: set KEYRING, or KEYRING_FILE naming a 0600 file. Make a key with {HOW_TO_MAKE_ONE}."
        )
    if any(ring != found[0] for ring in found):
        raise KeyringError("KEYRING and KEYRING_FILE hold different keys. Unset one of them.")
    return found[0]


def verify_keyring() -> None:
    """Prove, before anything is served, that this keyring opens what this database holds.

    Raises KeyringError when the database names a key that is not here, or one whose bytes are others. A key seen
    for the first time gets its canary row.
    """
    ring = keyring()
    used = set(TenantKey.unscoped.values_list("kek_id", flat=True).distinct())
    for kek_id in sorted(used - set(ring.ids)):
        raise KeyringError(missing(kek_id))
    for kek_id in ring.ids:
        verify_key(ring, kek_id)


def verify_before_serving() -> None:
    """For the start of a process: raises KeyringError, but lets a process start whose database is away.

    Then readiness tells of the database, and the first new data key of a tenant asks again.
    """
    try:
        verify_keyring()
    except KeyringError as error:
        log.critical("keyring_refused", reason=str(error))  # a line to read, beside the traceback of the server
        raise
    except DatabaseError as error:
        log.warning("keyring_not_verified", error=type(error).__name__)


def verify_key(ring: Keyring, kek_id: str) -> None:
    sealed = ring.wrap(kek_id, _CANARY, b"canary")
    canary, _ = KeyringCanary.objects.get_or_create(kek_id=kek_id, defaults={"sealed": sealed})
    if ring.unwrap(kek_id, bytes(canary.sealed), b"canary") != _CANARY:
        raise KeyringError(wrong_bytes(kek_id))
