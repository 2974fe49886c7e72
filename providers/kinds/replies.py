"""Reading what a server answered: its JSON, or the error that says why it is none."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from providers.errors import Malformed, ProviderError, TimedOut
from providers.upstream.wire import classify_error, excerpt, is_web_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from providers.upstream.client import Reply, UpstreamClient
    from providers.upstream.target import Target

ASK_SECONDS: Final = 30.0  # for a question that needs no model


async def ask(
    client: UpstreamClient,
    target: Target,
    path: str,
    *,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = ASK_SECONDS,
) -> Any:
    """The JSON that a path answers: GET, or POST where there is a body. What fails tells its `path` as evidence."""
    method = "GET" if body is None else "POST"
    seconds = min(seconds, target.timeouts.total_seconds)
    try:
        reply = await client.fetch(target, method, path, json=body, headers=headers, total_seconds=seconds)
        return read_json(reply, target.kind)
    except TimedOut as late:
        if late.phase == "connect":
            raise
        said = f"The server took {method} {path} and gave no answer within {seconds:g} s."
        raise TimedOut("idle", said, evidence={"path": path}) from late
    except ProviderError as fault:
        fault.evidence.setdefault("path", path)
        raise


def read_json(reply: Reply, kind: str) -> Any:
    """The answer's JSON. Raises the ProviderError of its status, or Malformed: web_page_not_api, bad_response."""
    if reply.status >= 300:
        raise classify_error(reply.status, reply.headers, reply.body, kind)
    if is_web_page(reply.headers, reply.body):
        raise Malformed("web_page_not_api", evidence={"excerpt": excerpt(reply.body)})
    try:
        return json.loads(reply.body)
    except ValueError:
        raise malformed("The answer is not JSON", reply.body) from None


def malformed(why: str, body: bytes = b"", **evidence: Any) -> Malformed:
    shown = {"excerpt": excerpt(body)} if body else {}
    return Malformed("bad_response", f"{why}.", evidence={**shown, **evidence})


def read_object(reply: Reply, kind: str) -> dict[str, Any]:
    content = read_json(reply, kind)
    if not isinstance(content, dict):
        raise malformed("The answer is not a JSON object", reply.body)
    return content


def read_lines(content: Any) -> list[dict[str, Any]]:
    """The lines of a model list: `{"data": [{…}]}`, or the bare list that some servers send."""
    lines = content.get("data") if isinstance(content, dict) else content
    if lines is None and isinstance(content, dict) and content.get("object") == "list":
        lines = []  # Go writes an empty list as null
    if not isinstance(lines, list):
        raise malformed("The answer is not a list of models", json.dumps(content).encode())
    return [line for line in lines if isinstance(line, dict)]


def positive(value: Any) -> int | None:
    """A count that a server may write as a number or as text; None for what is no count."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if 0 < value < 2**31 else None


def names(value: Any) -> tuple[str, ...]:
    """The strings of a list that may be null or missing."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
