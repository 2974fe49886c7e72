"""POST /v1/audio/transcriptions and /v1/audio/translations: a form with a sound file, answered by what was said."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from providers.gateway.events import relay_events
from providers.gateway.forms import Part, Spool, read_form
from providers.gateway.inference import serve
from providers.gateway.openai_errors import invalid
from providers.gateway.operations import Operation, never
from providers.gateway.transcripts import answer_transcript

# As Go reads a form's texts, so that what streams here streams there.
_SPELLED: Final = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("", "0", "f", "F", "FALSE", "false", "False"), False),
}


async def transcriptions(scope: Scope, receive: Receive, send: Send) -> None:
    with Spool() as spool:
        await serve(_operation("audio.transcriptions", spool), scope, receive, send)


async def translations(scope: Scope, receive: Receive, send: Send) -> None:
    with Spool() as spool:
        await serve(_operation("audio.translations", spool), scope, receive, send)


def _operation(name: str, spool: Spool) -> Operation:
    return Operation(
        name,
        _check,
        is_streamed=_is_streamed if name == "audio.transcriptions" else never,
        read=partial(read_form, spool),
        answer=answer_transcript,
        stream=relay_events,
    )


def _check(body: dict[str, Any]) -> None:
    file = body.get("file")
    if not isinstance(file, Part) or file.file_name is None or file.start == file.end:
        raise invalid("file", "`file` must be a sound file, with a file name, that is not empty.")
    for name in ("response_format", "stream"):
        if not isinstance(body.get(name, ""), str):
            raise invalid(name, f"`{name}` must be a short text.")


def _is_streamed(body: dict[str, Any]) -> bool:
    wanted = _SPELLED.get(body.get("stream", ""))
    if wanted is None:
        raise invalid("stream", "`stream` must be true or false.")
    return wanted
