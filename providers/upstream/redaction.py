"""Servers repeat the keys that they are sent: as they are, escaped for what they stand in, or inside a base64 header.

Whatever a server said is shown, stored or logged only after it went through here.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

SHORTEST_SECRET_CHARS: Final = 4  # shorter ones would blank out ordinary words
MASK: Final = "***"


class Redactor:
    """Takes secrets out of texts and bytes, in every spelling that servers use."""

    __slots__ = ("_spellings",)

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {spelt for secret in secrets if len(secret) >= SHORTEST_SECRET_CHARS for spelt in _spellings(secret)}
        longest_first = sorted(found, key=len, reverse=True)
        self._spellings = tuple((spelt, spelt.encode()) for spelt in longest_first)

    def text(self, said: str) -> str:
        for spelt, _ in self._spellings:
            said = said.replace(spelt, MASK)
        return said

    def raw(self, said: bytes) -> bytes:
        for _, spelt in self._spellings:
            said = said.replace(spelt, b"***")
        return said

    def is_needed(self, said: bytes) -> bool:
        return any(spelt in said for _, spelt in self._spellings)

    def __repr__(self) -> str:
        return "<Redactor>"


def _spellings(secret: str) -> set[str]:
    raw = secret.encode()
    said = {secret, json.dumps(secret)[1:-1], html.escape(secret), quote(secret, safe=""), quote(secret)}
    in_json = {json.dumps(spelt)[1:-1] for spelt in said}  # most of what servers say stands in JSON
    return said | in_json | {_base64_after(raw, before) for before in range(3)}


def _base64_after(raw: bytes, before: int) -> str:
    """The characters of its own that it has in the base64 of something longer, so many bytes after the start."""
    encoded = base64.b64encode(b"\0" * before + raw).decode()
    return encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
