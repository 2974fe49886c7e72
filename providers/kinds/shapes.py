"""What the answer of each operation looks like when it is one. Pure; every check raises Malformed with an excerpt."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from typing import Any, Final

from providers.kinds.replies import malformed

_SOUND: Final = (b"RIFF", b"ID3", b"OggS", b"fLaC", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1", b"\xff\xf9")


def embedding_dimensions(content: dict[str, Any], body: bytes, *, expected: int) -> int:
    """The common length of `expected` finite vectors. LocalAI leaves `data` out when it embedded nothing."""
    data = content.get("data")
    lines = data if isinstance(data, list) else []
    vectors = [_vector(line.get("embedding")) for line in lines if isinstance(line, dict)]
    if len(vectors) != expected:
        raise malformed(f"{expected} texts were sent, {len(vectors)} vectors came back", body)
    lengths = {len(vector) for vector in vectors}
    if len(lengths) != 1 or min(lengths) < 2:
        raise malformed("The vectors are not of one length", lengths=sorted(lengths))
    if not all(math.isfinite(value) for vector in vectors for value in vector):
        raise malformed("A vector holds what is not a number")
    return lengths.pop()


def _vector(value: Any) -> list[float]:
    """Floats, or the base64 of little-endian float32 that some servers send whatever was asked."""
    if isinstance(value, str):
        try:
            raw = base64.b64decode(value, validate=True)
        except binascii.Error:
            return []
        return list(struct.unpack(f"<{len(raw) // 4}f", raw)) if len(raw) % 4 == 0 else []
    if not isinstance(value, list):
        return []
    numbers = [item for item in value if isinstance(item, (int, float)) and not isinstance(item, bool)]
    return [float(item) for item in numbers] if len(numbers) == len(value) else []


def check_rerank(content: dict[str, Any], body: bytes, *, documents: int) -> None:
    results = content.get("results")
    if not isinstance(results, list) or not results:
        raise malformed("The answer ranks nothing", body)
    for result in results:
        index = result.get("index") if isinstance(result, dict) else None
        score = result.get("relevance_score") if isinstance(result, dict) else None
        if not isinstance(index, int) or not 0 <= index < documents or not isinstance(score, (int, float)):
            raise malformed("The answer ranks a document that was not sent", body)


def check_transcription(content: dict[str, Any], body: bytes) -> None:
    if not isinstance(content.get("text"), str):  # the empty text is right: the probe's sound holds no words
        raise malformed("The answer holds no text", body)


def is_sound(body: bytes) -> bool:
    return body.startswith(_SOUND)


def check_image(content: dict[str, Any], body: bytes) -> None:
    data = content.get("data")
    first = data[0] if isinstance(data, list) and data else None
    if not isinstance(first, dict) or not (first.get("url") or first.get("b64_json")):
        raise malformed("The answer holds no image", body)


def check_moderation(content: dict[str, Any], body: bytes) -> None:
    results = content.get("results")
    first = results[0] if isinstance(results, list) and results else None
    if not isinstance(first, dict) or not isinstance(first.get("flagged"), bool):
        raise malformed("The answer flags nothing, neither way", body)


def chat_says_something(content: dict[str, Any]) -> bool:
    """True for a chat answer with text, reasoning or a tool call, or one that at least counted tokens."""
    for choice in _choices(content):
        message = choice.get("message")
        spoken = message if isinstance(message, dict) else {}
        if any(spoken.get(name) for name in ("content", "reasoning", "reasoning_content", "tool_calls", "refusal")):
            return True
    usage = content.get("usage")
    return isinstance(usage, dict) and bool(usage.get("completion_tokens"))


def completion_says_something(content: dict[str, Any]) -> bool:
    return any(isinstance(choice.get("text"), str) and choice["text"] for choice in _choices(content))


def _choices(content: dict[str, Any]) -> list[dict[str, Any]]:
    choices = content.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
