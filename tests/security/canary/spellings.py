"""A planted text in every spelling in which it might have slipped out, and the search for it."""

from __future__ import annotations

import base64
import html
import json
import zlib
from collections.abc import Iterator
from functools import cache
from urllib.parse import quote

SHORTEST_TAIL_CHARS = 12
GZIP_HEAD, ZLIB_HEADS = b"\x1f\x8b\x08", (b"\x78\x01", b"\x78\x9c", b"\x78\xda")
MOST_UNPACKED_BYTES = 8 * 2**20


@cache
def spellings(text: str) -> dict[str, bytes]:
    """By name. Each is found wherever it stands inside something longer."""
    raw = text.encode()
    found = {
        "raw": raw,
        "urlsafe base64": _inner(base64.urlsafe_b64encode(raw), 0, len(raw)),
        "hex": raw.hex().encode(),
        "upper-case hex": raw.hex().upper().encode(),
        "URL-encoded": quote(text, safe="").encode(),
        "JSON-escaped": json.dumps(text)[1:-1].encode(),
        "HTML-escaped": html.escape(text).encode(),
        "UTF-16": text.encode("utf-16-le"),
        "reversed": raw[::-1],
        "its last 12 characters": raw[-SHORTEST_TAIL_CHARS:],
    }
    return found | {f"base64, {before} bytes in": _base64_after(raw, before) for before in range(3)}


def _base64_after(raw: bytes, before: int) -> bytes:
    """What is left of it inside the base64 of something longer, where so many bytes stand in front of it."""
    return _inner(base64.b64encode(b"\0" * before + raw), before, len(raw))


def _inner(encoded: bytes, before: int, length: int) -> bytes:
    """Without the characters that its neighbours have a share in."""
    return encoded[-(-before * 8 // 6) : (before + length) * 8 // 6]


def found_in(data: bytes, text: str) -> list[str]:
    """In which spellings `text` stands in `data`, or in what is packed inside it."""
    return [name for name, spelt in spellings(text).items() if spelt in data]


def with_unpacked(data: bytes) -> bytes:
    """The data, and behind it whatever gzip or zlib streams it holds."""
    return b"\0".join([data, *_unpacked(data)])


def _unpacked(data: bytes) -> Iterator[bytes]:
    for head in (GZIP_HEAD, *ZLIB_HEADS):
        place = data.find(head)
        while place >= 0:
            if unpacked := _unpack(data[place:]):
                yield unpacked
            place = data.find(head, place + 1)


def _unpack(data: bytes) -> bytes:
    """Two bytes that look like a head may be anything."""
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(data, MOST_UNPACKED_BYTES)
    except zlib.error:
        return b""
