"""API keys as text: `myd_live_<id>_<secret><checksum>`, all base62.

The checksum tells a typo or garbage from a key without asking the database, and lets secret scanners be sure. The
database holds an HMAC of the whole key under a numbered pepper: 256 random bits need no slow hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from functools import cache

from django.conf import settings

PREFIX = "myd_live_"
ID_LENGTH = 10
SECRET_LENGTH = 43  # 43 base62 characters hold 256 bits
CHECKSUM_LENGTH = 6

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SHAPE = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{ID_LENGTH}}})_[0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A new key: `key` is shown to its owner once, the rest is stored."""

    key: str = field(repr=False)
    key_id: str
    digest: str = field(repr=False)
    pepper_id: str
    last4: str


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A key whose shape and checksum are right. Whether it exists is the database's word."""

    key: str = field(repr=False)
    key_id: str


def mint(key_id: str | None = None) -> MintedKey:
    """A new key, or a new secret for the key of that id."""
    key_id = key_id or _random(ID_LENGTH)
    body = f"{PREFIX}{key_id}_{_random(SECRET_LENGTH)}"
    key = body + _checksum(body)
    pepper_id = active_pepper_id()
    return MintedKey(key, key_id, digest(key, pepper_id), pepper_id, key[-4:])


def parse(key: str) -> ParsedKey | None:
    """None for anything that cannot be a key of ours, found without a look at the database."""
    match = _SHAPE.fullmatch(key)
    if match is None or not hmac.compare_digest(_checksum(key[:-CHECKSUM_LENGTH]), key[-CHECKSUM_LENGTH:]):
        return None
    return ParsedKey(key, match[1])


def digest(key: str, pepper_id: str) -> str:
    """HMAC-SHA256 in hex. Raises KeyError when the pepper is gone from the settings."""
    return hmac.new(_peppers()[pepper_id], key.encode(), hashlib.sha256).hexdigest()


def matches(key: str, stored_digest: str, pepper_id: str) -> bool:
    """Compare in constant time. A pepper that is gone matches nothing."""
    if pepper_id not in _peppers():
        return False
    return hmac.compare_digest(digest(key, pepper_id), stored_digest)


def active_pepper_id() -> str:
    return next(iter(_peppers()))


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        number, rest = divmod(number, 62)
        digits = _ALPHABET[rest] + digits
    return digits


def _peppers() -> dict[str, bytes]:
    return _derive_peppers((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


@cache
def _derive_peppers(secret_keys: tuple[str, ...]) -> dict[str, bytes]:
    """One pepper for each secret key, the present one first: a key outlives the rotation of SECRET_KEY.

    The id is a digest of the derived pepper, so it tells nothing about the secret key.
    """
    peppers = {}
    for secret_key in secret_keys:
        pepper = hmac.new(secret_key.encode(), b"modelyard/api-key-pepper", hashlib.sha256).digest()
        peppers[hashlib.sha256(pepper).hexdigest()[:16]] = pepper
    return peppers
