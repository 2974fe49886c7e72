"""How audit events hang together: each carries a keyed hash of itself and of the one before.

A row that is changed, taken out, put in or moved no longer fits, and the head row tells how many there must be. The
hash is HMAC-SHA256 with a key of the tenant's own, which is sealed under the keyring: who can write to the database
alone cannot make one. The form of what is hashed is frozen: stored chains must verify in every later release.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from datetime import UTC
from typing import Any
from uuid import UUID

from tenants.sealing import open_platform_text, seal_platform_text

FORMAT = 1
GENESIS = "0" * 64  # stands before the first event
PURPOSE = "audit"
HEAD_FIELDS = ("seq", "hash", "mac")
EVENT_FIELDS = ("seq", "prev_hash", "hash")

_FACTS = (
    *("actor_kind", "actor_id", "actor_label", "action", "object_type", "object_id", "object_label"),
    *("detail", "request_id", "created_at", "seq", "prev_hash"),
)


def new_key() -> str:
    """A tenant's key, sealed, as its head row holds it."""
    return seal_platform_text(secrets.token_hex(32), PURPOSE)


def open_key(sealed: str) -> bytes:
    """Raises Undecryptable when the keyring does not open it."""
    return bytes.fromhex(open_platform_text(sealed, PURPOSE))


def start(head: Any) -> None:
    """Make `head` that of an empty chain."""
    head.key, head.seq, head.hash = new_key(), 0, GENESIS
    head.mac = head_mac(open_key(head.key), head.tenant_id, head.seq, head.hash)


def append(head: Any, *events: Any) -> None:
    """Put the events at the end of the chain. The caller holds the head's row and saves it with the events."""
    key = open_key(head.key)
    for event in events:
        event.seq, event.prev_hash = head.seq + 1, head.hash
        event.hash = event_hash(key, event)
        head.seq, head.hash = event.seq, event.hash
    head.mac = head_mac(key, head.tenant_id, head.seq, head.hash)


def event_hash(key: bytes, event: Any) -> str:
    facts = {name: _plain(getattr(event, name)) for name in _FACTS}
    return _hmac(key, {"format": FORMAT, "id": str(event.id), "tenant": str(event.tenant_id), **facts})


def head_mac(key: bytes, tenant_id: UUID, seq: int, head_hash: str) -> str:
    return _hmac(key, {"format": FORMAT, "head": str(tenant_id), "seq": seq, "hash": head_hash})


def _hmac(key: bytes, facts: dict[str, Any]) -> str:
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.new(key, canonical.encode(), hashlib.sha256).hexdigest()


def _plain(value: Any) -> Any:
    """The same JSON for what was written and for what either database gives back."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # PostgreSQL writes 1e20 out
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value
