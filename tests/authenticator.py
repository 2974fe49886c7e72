"""An authenticator app, as RFC 6238 says."""

from __future__ import annotations

import base64
import hmac
import struct
import time

PERIOD_SECONDS = 30


def code_of(secret: str, *, periods_ahead: int = 0) -> str:
    """The six digits that the app shows in this half minute, or in one before or after it."""
    counter = struct.pack(">Q", int(time.time()) // PERIOD_SECONDS + periods_ahead)
    digest = hmac.digest(base64.b32decode(secret), counter, "sha1")
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"
