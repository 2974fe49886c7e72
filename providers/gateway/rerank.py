"""POST /v1/rerank: documents in the order in which they answer a query. The shape is Jina's, as LocalAI speaks it."""

from __future__ import annotations

from typing import Any, Final

from starlette.types import Receive, Scope, Send

from providers.gateway.inference import serve
from providers.gateway.openai_errors import invalid
from providers.gateway.operations import Operation


async def rerank(scope: Scope, receive: Receive, send: Send) -> None:
    await serve(_OPERATION, scope, receive, send)


def _check(body: dict[str, Any]) -> None:
    """A document is a text; some servers also take an object with a `text`."""
    query, documents, top_n = body.get("query"), body.get("documents"), body.get("top_n")
    if not isinstance(query, str) or not query:
        raise invalid("query", "`query` must be a text that is not empty.")
    if not isinstance(documents, list) or not documents:
        raise invalid("documents", "`documents` must be a list with at least one text.")
    if not all(isinstance(document, str | dict) for document in documents):
        raise invalid("documents", "Each of `documents` must be a text.")
    if top_n is not None and (isinstance(top_n, bool) or not isinstance(top_n, int) or top_n < 1):
        raise invalid("top_n", "`top_n` must be a whole number of at least 1.")


_OPERATION: Final = Operation("rerank", _check)
