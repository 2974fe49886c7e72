"""Tokens of one call: as the server counted them, or guessed where it did not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# English text has about four bytes a token in every common vocabulary; other scripts have fewer, so that the guess
# is on the high side there.
_BYTES_A_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Usage:
    """`estimated` is True where a part of it is our guess."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    estimated: bool = False

    def as_openai(self) -> dict[str, int]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
        }


def usage_of(body: Mapping[str, Any]) -> Usage | None:
    """What the server reports in an answer or a chunk. None without a report, and for one that says nothing but zeros:
    LocalAI fills zeros where its backend did not count."""
    said = body.get("usage")
    if not isinstance(said, dict):
        return None
    prompt = _count(said, "prompt_tokens", "input_tokens")
    completion = _count(said, "completion_tokens", "output_tokens")
    total = max(_count(said, "total_tokens"), prompt + completion)
    return Usage(prompt, completion, total) if total else None


def estimated_usage(prompt: object, completion: object) -> Usage:
    """A guess from what was sent and what came, as text or as anything that holds text."""
    asked, answered = estimated_tokens(prompt), estimated_tokens(completion)
    return Usage(asked, answered, asked + answered, estimated=True)


def estimated_tokens(content: object) -> int:
    """About how many tokens `content` has: a text, bytes, token ids, or lists and objects of these."""
    return math.ceil(_bytes_in(content) / _BYTES_A_TOKEN)


def _bytes_in(content: object) -> int:
    """Without recursion: a caller's body may be nested deeper than Python calls."""
    found = 0
    waiting: list[object] = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if not value.startswith("data:"):  # no inlined pictures
                found += len(value.encode("utf-8", "replace"))
        elif isinstance(value, bytes):
            found += len(value)
        elif isinstance(value, int):
            found += _BYTES_A_TOKEN  # a token id
        elif isinstance(value, Mapping):
            waiting.extend(inner for inner in value.values() if not isinstance(inner, int | float))
        elif isinstance(value, list | tuple):
            waiting.extend(value)
    return found


def _count(said: Mapping[str, Any], *names: str) -> int:
    for name in names:
        value = said.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 10**12:
            return int(value)
    return 0
