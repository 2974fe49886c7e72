"""Seal a field's bytes to the place where they belong, so that they open nowhere else.

Blob: magic (2), format (1), algorithm (1), version of the data key (4), nonce (12), ciphertext with tag. The
additional data binds tenant, table, row, field, key version and origin (where a credential may be sent): a blob
copied to another row, or a provider moved to another server, does not open.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from dataclasses import dataclass
from functools import cache
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag

from tenants.sealing import data_keys
from tenants.sealing.keyring import KeyringError

_MAGIC = b"MY"
_FORMAT = 1
_AES_256_GCM = 1
_HEADER = struct.Struct(">2sBBI12s")
_TAG_BYTES = 16
VERSION_STARTS_AT, VERSION_BYTES = 4, 4  # where the head names the data key's version, for SQL that counts them


class Undecryptable(Exception):
    """The blob does not open here: altered, moved, or its key is gone. Never says more, never falls back."""


@dataclass(frozen=True, slots=True)
class Context:
    """The place of a sealed field. `origin` is `scheme://host:port` for a credential, else empty."""

    tenant_id: UUID
    table: str
    row_id: UUID
    field: str
    origin: str = ""


def seal(plaintext: bytes, context: Context) -> bytes:
    """Encrypt under the tenant's newest data key (made on first use). Raises KeyringError when there is no keyring."""
    data_key = data_keys.sealing_key(context.tenant_id)
    nonce = os.urandom(12)
    header = _HEADER.pack(_MAGIC, _FORMAT, _AES_256_GCM, data_key.version, nonce)
    return header + data_key.cipher.encrypt(nonce, plaintext, _additional_data(context, data_key.version))


def open_sealed(blob: bytes | memoryview, context: Context) -> bytes:
    """The plaintext, if `blob` was sealed for exactly this place. Raises Undecryptable otherwise."""
    raw = bytes(blob)
    version, nonce = _read_header(raw)
    try:
        data_key = data_keys.opening_key(context.tenant_id, version)
    except KeyringError as error:
        raise Undecryptable(f"The keyring does not open the data key of {context.table}.{context.field}.") from error
    if data_key is None:
        raise Undecryptable(f"The data key of {context.table}.{context.field} is gone.")
    try:
        return data_key.cipher.decrypt(nonce, raw[_HEADER.size :], _additional_data(context, version))
    except InvalidTag:
        raise Undecryptable(f"{context.table}.{context.field} was altered, or sealed for another place.") from None


def fingerprint(tenant_id: UUID, secret: str) -> str:
    """16 hex digits that are equal for equal secrets of one tenant, and say nothing outside it."""
    key = data_keys.sealing_key(tenant_id).fingerprint_key
    return hmac.new(key, secret.encode(), hashlib.sha256).hexdigest()[:16]


def _read_header(raw: bytes) -> tuple[int, bytes]:
    if len(raw) < _HEADER.size + _TAG_BYTES:
        raise Undecryptable("The blob is cut short.")
    magic, form, algorithm, version, nonce = _HEADER.unpack_from(raw)
    if (magic, form, algorithm) != (_MAGIC, _FORMAT, _AES_256_GCM):
        raise Undecryptable("The blob is not in a format that this release opens.")
    return version, nonce


def _additional_data(context: Context, version: int) -> bytes:
    table, field = _framed_name(context.table), _framed_name(context.field)
    ids = (_ID_LENGTH, context.tenant_id.bytes, table, _ID_LENGTH, context.row_id.bytes, field)
    return b"".join((_WHAT, *ids, _VERSION_LENGTH, version.to_bytes(4, "big"), _framed(context.origin.encode())))


def _framed(part: bytes) -> bytes:
    """With its length before it, so that no two lists of parts read alike."""
    return len(part).to_bytes(4, "big") + part


@cache
def _framed_name(name: str) -> bytes:
    """Of a table or a field, of which there are few."""
    return _framed(name.encode())


_WHAT: Final = _framed(b"modelyard/secret") + _framed(bytes((_FORMAT, _AES_256_GCM)))
_ID_LENGTH: Final = (16).to_bytes(4, "big")
_VERSION_LENGTH: Final = (4).to_bytes(4, "big")
