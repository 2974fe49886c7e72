"""What a chunk of a stream means: the first real token, the end, or a failure in disguise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from providers.errors import BrokenOff, Malformed, ProviderError
from providers.upstream import sound_events
from providers.upstream.classify import excerpt, recognise, spoken_error
from providers.upstream.sse import Frame

_SPEAKING: Final = ("content", "reasoning", "reasoning_content", "tool_calls", "function_call", "refusal", "audio")
# LocalAI writes the failure of a streamed /v1/completions as ordinary text (still so in v4.9).
_DISGUISED: Final = re.compile(r"\s*Internal error: (.+)", re.DOTALL)


def is_meaningful(chunk: Mapping[str, Any]) -> bool:
    """True for content, reasoning, a tool call, a refusal, or a finish with completion tokens: the first such chunk
    ends the wait for the first token. Chunks that say only the role are not."""
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        return sound_events.says_something(chunk)
    if not choices:
        return _completion_tokens(chunk) > 0  # the usage at the end
    return any(_says_something(choice, chunk) for choice in choices if isinstance(choice, dict))


def _says_something(choice: Mapping[str, Any], chunk: Mapping[str, Any]) -> bool:
    delta = choice.get("delta") or choice.get("message")
    if isinstance(delta, dict):
        for name in _SPEAKING:
            if delta.get(name):
                return True
    if choice.get("text"):
        return True
    finish = choice.get("finish_reason")
    return finish == "content_filter" or (bool(finish) and _completion_tokens(chunk) > 0)


def _completion_tokens(chunk: Mapping[str, Any]) -> int:
    usage = chunk.get("usage")
    counted = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return counted if isinstance(counted, int) else 0


def finishes(chunk: Mapping[str, Any]) -> bool:
    """True when a choice of this chunk ends, or what is said or heard does."""
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        return sound_events.is_last(chunk)
    return any(isinstance(c, dict) and bool(c.get("finish_reason")) for c in choices)


def error_in_frame(frame: Frame) -> ProviderError | None:
    """The failure that this frame reports inside a stream that began with 200; None for an ordinary frame.

    Costs next to nothing on ordinary frames: they are not parsed for it.
    """
    raw = frame.raw
    if b"rror" not in raw and b'"detail"' not in raw and raw[:7] == b"data: {" and raw[-3:] == b"}\n\n":
        return None
    if frame.is_done:
        return None
    chunk = frame.parsed
    if chunk is None:
        return _unreadable(frame)
    said = _words_of_failure(chunk, frame.event)
    if said is None:
        return None
    code, message = said
    words = excerpt(message or frame.data)
    return recognise(message, code) or BrokenOff(
        message=f"The server reported an error inside the stream: {words}", evidence={"said": words}
    )


def _words_of_failure(chunk: Mapping[str, Any], event: str | None) -> tuple[str, str] | None:
    """(code or type, message) of the many ways to say it."""
    if chunk.get("error") or event == "error" or chunk.get("type") == "error" or chunk.get("object") == "error":
        return spoken_error(chunk)
    choices = chunk.get("choices")
    if "choices" not in chunk and "detail" in chunk:
        return spoken_error(chunk)
    if chunk.get("object") == "text_completion" and isinstance(choices, list) and len(choices) == 1:
        return _disguised(choices[0])
    return None


def _disguised(choice: Any) -> tuple[str, str] | None:
    if not isinstance(choice, dict) or not isinstance(choice.get("text"), str) or not choice.get("finish_reason"):
        return None
    found = _DISGUISED.fullmatch(choice["text"])
    return ("", found[1]) if found else None


def _unreadable(frame: Frame) -> ProviderError | None:
    if frame.data[:1] in (b"{", b"["):
        said = excerpt(frame.data.decode("utf-8", "replace"))
        return Malformed(message="The server sent an event that is not valid JSON.", evidence={"excerpt": said})
    return None  # texts such as a ping: not ours to read
