"""Seal and open many blobs of one place, such as the frames of a stream, without asking the database for each.

A box is made in a database thread and may then be used on an event loop: it holds the data keys it has met.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag

from tenants.sealing import data_keys
from tenants.sealing.keyring import KeyringError
from tenants.sealing.sealing import (
    _AES_256_GCM,
    _FORMAT,
    _HEADER,
    _MAGIC,
    Context,
    Undecryptable,
    _additional_data,
    _read_header,
)


class Box:
    """One place (`context`). Making it reads the database; `seal` never does; `open` may, for a key it has not met."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sealing = data_keys.sealing_key(context.tenant_id)
        self._aad = _additional_data(context, self._sealing.version)
        self._met = {self._sealing.version: (self._sealing, self._aad)}

    def seal(self, plaintext: bytes) -> bytes:
        nonce = os.urandom(12)
        header = _HEADER.pack(_MAGIC, _FORMAT, _AES_256_GCM, self._sealing.version, nonce)
        return header + self._sealing.cipher.encrypt(nonce, plaintext, self._aad)

    def knows(self, blob: bytes) -> bool:
        """Whether `open` will do without the database."""
        return _read_header(blob)[0] in self._met

    def open(self, blob: bytes) -> bytes:
        """As `open_sealed`. Raises Undecryptable."""
        version, nonce = _read_header(blob)
        data_key, aad = self._met.get(version) or self._meet(version)
        try:
            return data_key.cipher.decrypt(nonce, blob[_HEADER.size :], aad)
        except InvalidTag:
            raise Undecryptable(f"{self._context.table}.{self._context.field} was altered or moved.") from None

    def _meet(self, version: int) -> tuple[data_keys.DataKey, bytes]:
        try:
            data_key = data_keys.opening_key(self._context.tenant_id, version)
        except KeyringError as error:
            raise Undecryptable(f"The keyring does not open the data key of {self._context.table}.") from error
        if data_key is None:
            raise Undecryptable(f"The data key of {self._context.table} is gone.")
        self._met[version] = (data_key, _additional_data(self._context, version))
        return self._met[version]
