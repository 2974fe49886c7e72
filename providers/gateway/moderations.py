"""POST /v1/moderations"""

from __future__ import annotations

from typing import Any, Final

from starlette.types import Receive, Scope, Send

from providers.gateway.inference import serve
from providers.gateway.openai_errors import invalid
from providers.gateway.operations import Operation


async def moderations(scope: Scope, receive: Receive, send: Send) -> None:
    await serve(_OPERATION, scope, receive, send)


def _check(body: dict[str, Any]) -> None:
    """Texts; or parts, for servers that look at pictures too."""
    given = body.get("input")
    if not isinstance(given, str | list) or not given:
        raise invalid("input", "`input` must be a text, or a list with at least one text.")
    if isinstance(given, list) and not all(isinstance(entry, str | dict) and entry for entry in given):
        raise invalid("input", "Each of `input` must be a text that is not empty.")


_OPERATION: Final = Operation("moderations", _check)
