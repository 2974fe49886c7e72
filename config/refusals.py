"""Refusals that are given before any app has seen the request, as problem+json."""

from __future__ import annotations

import orjson
from starlette.types import Send

from tenants.problems import CONTENT_TYPE, Problem, problem_body
from tenants.request_id import current_request_id


async def refuse(send: Send, problem: Problem) -> None:
    """Answer with the problem and close the connection: what is left of the request's body is not wanted."""
    body = orjson.dumps(problem_body(problem, current_request_id()))
    headers = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in problem.headers.items()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
