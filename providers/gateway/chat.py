"""POST /v1/chat/completions"""

from __future__ import annotations

from typing import Any, Final

from starlette.types import Receive, Scope, Send

from providers.gateway.calls import is_streamed
from providers.gateway.inference import serve
from providers.gateway.openai_errors import invalid
from providers.gateway.operations import Operation


async def chat_completions(scope: Scope, receive: Receive, send: Send) -> None:
    await serve(_OPERATION, scope, receive, send)


def _check(body: dict[str, Any]) -> None:
    """Only what no server can do without; the rest is the model server's to judge."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("messages", "`messages` must be a list with at least one message.")
    if not all(isinstance(message, dict) for message in messages):
        raise invalid("messages", "Each of `messages` must be an object.")


_OPERATION: Final = Operation("chat.completions", _check, is_streamed)
