"""POST /v1/audio/speech: sound, passed on as the server makes it."""

from __future__ import annotations

from typing import Any, Final

from starlette.types import Receive, Scope, Send

from providers.gateway.events import relay_events
from providers.gateway.inference import serve
from providers.gateway.openai_errors import invalid
from providers.gateway.operations import Operation
from providers.gateway.sound import answer_sound


async def speech(scope: Scope, receive: Receive, send: Send) -> None:
    await serve(_OPERATION, scope, receive, send)


def _check(body: dict[str, Any]) -> None:
    """Voices, formats and speeds are the server's own."""
    text = body.get("input")
    if not isinstance(text, str) or not text.strip():
        raise invalid("input", "`input` must be a text that is not empty.")
    if body.get("stream_format") not in (None, "audio", "sse"):
        raise invalid("stream_format", "`stream_format` must be audio or sse.")


def _comes_as_events(body: dict[str, Any]) -> bool:
    return body.get("stream_format") == "sse"


_OPERATION: Final = Operation("audio.speech", _check, _comes_as_events, answer=answer_sound, stream=relay_events)
