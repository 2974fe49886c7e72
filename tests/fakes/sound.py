"""Sound files made on the spot."""

from __future__ import annotations

import io
import wave


def silent_wav(*, seconds: float, rate_hz: int = 16_000) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(b"\x00\x00" * int(seconds * rate_hz))
    return content.getvalue()
