"""POST /v1/images/generations: images come inside the answer, as base64."""

from __future__ import annotations

from typing import Any, Final

from starlette.types import Receive, Scope, Send

from providers.gateway.calls import is_streamed
from providers.gateway.inference import serve
from providers.gateway.openai_errors import invalid
from providers.gateway.operations import Operation


async def image_generations(scope: Scope, receive: Receive, send: Send) -> None:
    await serve(_OPERATION, scope, receive, send)


def _check(body: dict[str, Any]) -> None:
    prompt, wanted = body.get("prompt"), body.get("n")
    if not isinstance(prompt, str) or not prompt:
        raise invalid("prompt", "`prompt` must be a text that is not empty.")
    if body.get("response_format") not in (None, "b64_json"):
        told = "`response_format` must be b64_json: an address at the model server cannot be reached from outside."
        raise invalid("response_format", told)
    if wanted is not None and (isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1):
        raise invalid("n", "`n` must be a whole number of at least 1.")
    if is_streamed(body):
        raise invalid("stream", "Images do not stream here. Leave `stream` out.")


_OPERATION: Final = Operation("images.generations", _check)
