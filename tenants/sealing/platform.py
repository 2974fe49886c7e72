"""Seal what belongs to no tenant (a person's second factor) under the keyring itself: `key-id:base64`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from tenants.sealing.keyring import KeyringError, keyring
from tenants.sealing.sealing import Undecryptable

# The head of what a keyring wraps is the same for all: it tells a sealed text from any other.
_SEALED = re.compile(r"[A-Za-z0-9_.-]{1,32}:TUsBA[A-Za-z0-9+/]+={0,2}")


def seal_platform_text(text: str, purpose: str) -> str:
    """Bound to its purpose; the keyring's id stands in front, so that the key is never guessed."""
    ring = keyring()
    sealed = ring.wrap(ring.active_id, text.encode(), _context(purpose))
    return f"{ring.active_id}:{base64.b64encode(sealed).decode()}"


def open_platform_text(sealed: str, purpose: str) -> str:
    """Raises Undecryptable for anything that was not sealed here for this purpose."""
    kek_id, _, encoded = sealed.partition(":")
    try:
        return keyring().unwrap(kek_id, base64.b64decode(encoded, validate=True), _context(purpose)).decode()
    except (KeyringError, binascii.Error) as error:
        raise Undecryptable(f"A sealed text for {purpose} does not open here.") from error


def key_id_of(sealed: str) -> str:
    return sealed.partition(":")[0]


def texts_in(value: Any) -> Iterator[str]:
    """The sealed texts anywhere in a JSON value."""
    if isinstance(value, str):
        if _SEALED.fullmatch(value):
            yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts_in(part)


def resealed(value: Any, purpose: str) -> Any:
    """A JSON value with its sealed texts under the keyring's first key. Raises Undecryptable."""
    if isinstance(value, str) and _SEALED.fullmatch(value) and key_id_of(value) != keyring().active_id:
        return seal_platform_text(open_platform_text(value, purpose), purpose)
    if isinstance(value, dict):
        return {name: resealed(part, purpose) for name, part in value.items()}
    if isinstance(value, list):
        return [resealed(part, purpose) for part in value]
    return value


def _context(purpose: str) -> bytes:
    return b"platform\x00" + purpose.encode()
