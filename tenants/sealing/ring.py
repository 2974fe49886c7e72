"""A keyring: keys outside the database (key-encryption keys), known by their ids. The first one wraps, all unwrap.

`Keyring` is all that the rest of the package asks of one, so that a service which never gives its keys away (Vault's
transit engine, a cloud's key management) can stand in for `LocalKeyring`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

KEY_BYTES = 32
NONCE_BYTES = 12
_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_WRAP_HEADER = b"MK\x01\x01"  # magic, format 1, algorithm 1 (AES-256-GCM)
HOW_TO_MAKE_ONE = "`python -c \"import base64, os; print('k1:' + base64.b64encode(os.urandom(32)).decode())\"`"


class KeyringError(Exception):
    """The keyring cannot be used; the message says what to do. Nothing may be served without it."""


class Keyring(Protocol):
    @property
    def ids(self) -> Collection[str]:
        """Of all keys that unwrap."""

    @property
    def active_id(self) -> str:
        """Of the key that wraps what is new."""

    def wrap(self, kek_id: str, plaintext: bytes, context: bytes) -> bytes:
        """Bound to `context`. Raises KeyringError where there is no such key."""

    def unwrap(self, kek_id: str, wrapped: bytes, context: bytes) -> bytes:
        """Raises KeyringError when the key is not here, is another one, or what it wrapped was altered or moved."""


@dataclass(frozen=True)
class LocalKeyring:
    """The keys lie in this process's memory. Their order is that of the text they came from."""

    keys: dict[str, bytes] = field(repr=False)

    @property
    def ids(self) -> Collection[str]:
        return self.keys.keys()

    @property
    def active_id(self) -> str:
        return next(iter(self.keys))

    def wrap(self, kek_id: str, plaintext: bytes, context: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return _WRAP_HEADER + nonce + AESGCM(self._key(kek_id)).encrypt(nonce, plaintext, _bound(kek_id, context))

    def unwrap(self, kek_id: str, wrapped: bytes, context: bytes) -> bytes:
        header, nonce, sealed = wrapped[:4], wrapped[4 : 4 + NONCE_BYTES], wrapped[4 + NONCE_BYTES :]
        if header != _WRAP_HEADER or len(nonce) != NONCE_BYTES:
            raise KeyringError(f"A key wrapped under {kek_id!r} is not in a format that this release knows.")
        try:
            return AESGCM(self._key(kek_id)).decrypt(nonce, sealed, _bound(kek_id, context))
        except InvalidTag:
            raise KeyringError(wrong_bytes(kek_id)) from None

    def _key(self, kek_id: str) -> bytes:
        try:
            return self.keys[kek_id]
        except KeyError:
            raise KeyringError(missing(kek_id)) from None


def _bound(kek_id: str, context: bytes) -> bytes:
    return b"modelyard/wrapped\x00" + _WRAP_HEADER + kek_id.encode() + b"\x00" + context


def missing(kek_id: str) -> str:
    return (
        f"The database holds keys wrapped under {kek_id!r}, which the keyring lacks. Put the line {kek_id}:… back into "
        "KEYRING or KEYRING_FILE (from your backup of it); without it those secrets cannot be read."
    )


def wrong_bytes(kek_id: str) -> str:
    return (
        f"The keyring's key {kek_id!r} is not the one that this database was sealed with. Put the former value back, "
        "and give a new key a new id."
    )


def parse(text: str) -> LocalKeyring:
    """From `id:base64key`, separated by commas or line ends. Raises KeyringError; no message quotes a key."""
    keys: dict[str, bytes] = {}
    for number, entry in enumerate(re.split(r"[,\n]", text), start=1):
        line = entry.strip()
        if not line or line.startswith("#"):
            continue
        kek_id, key = _parse_entry(line, number)
        if kek_id in keys:
            raise KeyringError(f"The keyring names {kek_id!r} twice. Give each key its own id.")
        keys[kek_id] = key
    if not keys:
        raise KeyringError(f"The keyring is empty. Make a key with {HOW_TO_MAKE_ONE} and put it into KEYRING.")
    return LocalKeyring(keys)


def _parse_entry(line: str, number: int) -> tuple[str, bytes]:
    kek_id, separator, encoded = line.partition(":")
    if not separator or not _ID.fullmatch(kek_id):
        raise KeyringError(f"Entry {number} of the keyring is not `id:base64key`.")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise KeyringError(f"The keyring's key {kek_id!r} is not base64. Make one with {HOW_TO_MAKE_ONE}.") from None
    if len(key) != KEY_BYTES:
        raise KeyringError(f"The keyring's key {kek_id!r} has {len(key)} bytes; it needs exactly {KEY_BYTES}.")
    if len(set(key)) < 8 or key in _made_from(settings.SECRET_KEY):
        raise KeyringError(f"The keyring's key {kek_id!r} is guessable. Make one with {HOW_TO_MAKE_ONE}.")
    return kek_id, key


def _made_from(secret_key: str) -> tuple[bytes, ...]:
    raw = secret_key.encode()
    return raw[:KEY_BYTES], raw[-KEY_BYTES:], hashlib.sha256(raw).digest()
