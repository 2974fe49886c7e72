"""POST /v1/embeddings: floats or base64, as the caller asks and the server gives them."""

from __future__ import annotations

from typing import Any, Final

from starlette.types import Receive, Scope, Send

from providers.gateway.inference import serve
from providers.gateway.openai_errors import invalid
from providers.gateway.operations import Operation


async def embeddings(scope: Scope, receive: Receive, send: Send) -> None:
    await serve(_OPERATION, scope, receive, send)


def _check(body: dict[str, Any]) -> None:
    """LocalAI also takes `messages` in place of `input`."""
    wanted = body.get("input", body.get("messages"))
    if not isinstance(wanted, str | list) or not wanted:
        raise invalid("input", "`input` must be a text, or a list of texts or tokens that is not empty.")


_OPERATION: Final = Operation("embeddings", _check)
