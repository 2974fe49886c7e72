"""The events of sound turned into text, or text into sound: typed (`transcript.text.delta`, `speech.audio.done`), where
a chat's have choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_SORTS: Final = ("transcript.", "speech.")
_SPEAKING: Final = ("delta", "text", "audio")
_END: Final = ".done"


def says_something(event: Mapping[str, Any]) -> bool:
    """True for a piece of text or sound, and for the end: silence is an answer too."""
    return is_last(event) or (_is_ours(event) and any(event.get(name) for name in _SPEAKING))


def is_last(event: Mapping[str, Any]) -> bool:
    return _is_ours(event) and str(event["type"]).endswith(_END)


def _is_ours(event: Mapping[str, Any]) -> bool:
    sort = event.get("type")
    return isinstance(sort, str) and sort.startswith(_SORTS)


def transcript_events(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The events that say the same as a whole transcript."""
    text = content["text"]
    delta = {"type": "transcript.text.delta", "delta": text}
    usage = {"usage": content["usage"]} if content.get("usage") else {}
    return [*([delta] if text else []), {"type": "transcript.text.done", "text": text, **usage}]
