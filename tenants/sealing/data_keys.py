"""One data key per tenant and version: random, wrapped by the keyring, kept in the table, cached for minutes."""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import IntegrityError, transaction

from tenants.models import TenantKey
from tenants.sealing.keyring import KEY_BYTES, KeyringError, keyring, verify_key

CACHE_SECONDS = 300
SEALING_SECONDS = 5  # how long a process may go on sealing under a version once there is a newer one
CACHE_ENTRIES = 1000  # Python cannot wipe memory: few keys, for a short time


@dataclass(frozen=True)
class DataKey:
    version: int
    key: bytes = field(repr=False)

    @cached_property
    def cipher(self) -> AESGCM:
        return AESGCM(self.key)

    @property
    def fingerprint(self) -> str:
        """Tells this key from others, in a receipt or in an old backup; says nothing of its bytes."""
        return hmac.new(self.key, b"modelyard/data-key", hashlib.sha256).hexdigest()[:16]

    @cached_property
    def fingerprint_key(self) -> bytes:
        return hmac.new(self.key, b"modelyard/fingerprint", hashlib.sha256).digest()


Name = tuple[UUID, int | None]


class KeyCache:
    """By tenant and version; version None is the one that seals. `drop` and `expire` may come from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[Name, tuple[float, DataKey]] = OrderedDict()

    def get(self, name: Name) -> DataKey | None:
        with self._lock:
            kept_until, data_key = self._entries.get(name, (0.0, None))
            return data_key if kept_until > time.monotonic() else None

    def put(self, name: Name, data_key: DataKey, kept_until: float) -> None:
        with self._lock:
            self._entries[name] = (kept_until, data_key)
            self._entries.move_to_end(name)
            while len(self._entries) > CACHE_ENTRIES:
                self._entries.popitem(last=False)

    def drop(self, tenant_id: UUID | None) -> None:
        """Forget a tenant's keys, or all (None)."""
        with self._lock:
            for name in [name for name in self._entries if tenant_id in (None, name[0])]:
                del self._entries[name]

    def expire(self, *, within_seconds: float) -> None:
        """Ask anew for every key once that time has passed."""
        last = time.monotonic() + within_seconds
        with self._lock:
            for name, (kept_until, data_key) in self._entries.items():
                self._entries[name] = (min(kept_until, last), data_key)


cache = KeyCache()
forget = cache.drop


def sealing_key(tenant_id: UUID) -> DataKey:
    """The newest data key of a tenant, made on first use."""
    cached = cache.get((tenant_id, None))
    if cached is not None:
        return cached
    asked_at = time.monotonic()
    data_key = _newest(tenant_id) or make_version(tenant_id, 1)
    return _remember((tenant_id, None), data_key, asked_at + SEALING_SECONDS)


def opening_key(tenant_id: UUID, version: int) -> DataKey | None:
    """The data key of exactly this version; None when the tenant has none such (any more)."""
    cached = cache.get((tenant_id, version))
    if cached is not None:
        return cached
    asked_at = time.monotonic()
    row = TenantKey.objects.for_tenant(tenant_id).filter(version=version).first()
    return _remember((tenant_id, version), _unwrap(row), asked_at + CACHE_SECONDS) if row else None


def _remember(name: Name, data_key: DataKey, kept_until: float) -> DataKey:
    # Only once committed: a key whose row is rolled back would seal what nobody can open.
    transaction.on_commit(lambda: cache.put(name, data_key, kept_until))
    return data_key


def newest_row(tenant_id: UUID) -> TenantKey | None:
    """The version that seals, as its row; None where nothing was ever sealed."""
    row: TenantKey | None = TenantKey.objects.for_tenant(tenant_id).order_by("-version").first()
    return row


def fingerprints(tenant_id: UUID) -> list[dict[str, Any]]:
    """Each version of a tenant's data key, for a receipt. `fingerprint` is None where the keyring does not open it."""
    return [_facts(row) for row in TenantKey.objects.for_tenant(tenant_id).order_by("version")]


def _facts(row: TenantKey) -> dict[str, Any]:
    try:
        fingerprint = _unwrap(row).fingerprint
    except KeyringError:
        fingerprint = None
    created_at = row.created_at.isoformat()
    return {"version": row.version, "kek_id": row.kek_id, "fingerprint": fingerprint, "created_at": created_at}


def _newest(tenant_id: UUID) -> DataKey | None:
    row = newest_row(tenant_id)
    return _unwrap(row) if row else None


def add_version(tenant_id: UUID) -> DataKey:
    """The next version. This process seals under it at once, the others within `SEALING_SECONDS`."""
    newest = newest_row(tenant_id)
    data_key = make_version(tenant_id, newest.version + 1 if newest else 1)
    transaction.on_commit(lambda: forget(tenant_id))
    return data_key


def make_version(tenant_id: UUID, version: int) -> DataKey:
    """Add a version, which seals from now on; where another process was first, its key is given back."""
    ring = keyring()
    verify_key(ring, ring.active_id)  # wrapping under wrong bytes is found out now, not at the next restart
    data_key = DataKey(version, os.urandom(KEY_BYTES))
    wrapped = ring.wrap(ring.active_id, data_key.key, wrapping_context(tenant_id, version))
    row = TenantKey(tenant_id=tenant_id, version=version, kek_id=ring.active_id, wrapped=wrapped)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:  # another process was first
        first = _newest(tenant_id)
        if first is None:
            raise
        return first
    return data_key


def _unwrap(row: TenantKey) -> DataKey:
    context = wrapping_context(row.tenant_id, row.version)
    return DataKey(row.version, keyring().unwrap(row.kek_id, bytes(row.wrapped), context))


def wrapping_context(tenant_id: UUID, version: int) -> bytes:
    return b"data-key\x00" + tenant_id.bytes + version.to_bytes(4, "big")
