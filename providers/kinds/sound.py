"""A second of sound for the speech-to-text probe, made rather than shipped."""

from __future__ import annotations

import io
import math
import struct
import wave
from functools import cache
from typing import Final

_RATE_HZ: Final = 16_000  # what whisper works on
_TONE_HZ: Final = 440


@cache
def one_second_wav() -> bytes:
    """One second of a quiet tone: mono, 16 bit, 16 kHz. Pure silence makes some backends fail."""
    samples = (int(2000 * math.sin(2 * math.pi * _TONE_HZ * at / _RATE_HZ)) for at in range(_RATE_HZ))
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE_HZ)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return content.getvalue()
