"""POST /v1/completions"""

from __future__ import annotations

from typing import Any, Final

from starlette.types import Receive, Scope, Send

from providers.gateway.calls import is_streamed
from providers.gateway.inference import serve
from providers.gateway.openai_errors import invalid
from providers.gateway.operations import Operation


async def completions(scope: Scope, receive: Receive, send: Send) -> None:
    await serve(_OPERATION, scope, receive, send)


def _check(body: dict[str, Any]) -> None:
    prompt = body.get("prompt")
    if not isinstance(prompt, str | list) or prompt == []:
        raise invalid("prompt", "`prompt` must be a string or a list with at least one entry.")
    if body.get("stream") and isinstance(prompt, list) and len(prompt) > 1 and isinstance(prompt[0], str):
        raise invalid("prompt", "With `stream`, send one prompt.")  # LocalAI v4.9 streams exactly one


_OPERATION: Final = Operation("completions", _check, is_streamed)
