"""`POST …/jobs`: answered here and not by Django, since submits that arrive together share one commit."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson
from django.conf import settings
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from providers.gateway.control_callers import caller_in_tenant
from providers.gateway.problem_responses import answering_problems
from providers.jobs.orders import read_order
from providers.jobs.submission import Accepted, OnceKey, submit
from tenants import idempotency
from tenants.api.bodies import read_json
from tenants.authentication import Caller
from tenants.problems import Problem

BIG_BODY_BYTES: Final = 256 * 1024  # parsed in a thread: it would hold up every stream of the process


@answering_problems
async def submit_job(request: Request) -> Response:
    caller = await caller_in_tenant(request, "jobs:write")
    body = await _body(request)
    once = _once_key(request, caller, body)
    order = read_order(await _parsed(body))
    return _answer(request, await submit(caller, order, once=once))


def _answer(request: Request, accepted: Accepted) -> Response:
    headers = {"location": accepted.location}
    if accepted.is_replay:
        headers[idempotency.REPLAYED] = "true"
    return Response(orjson.dumps(accepted.body), 202, headers=headers, media_type="application/json")


def _once_key(request: Request, caller: Caller, body: bytes) -> OnceKey | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    assert caller.actor.id is not None
    digest = idempotency.digest_of(request.url.path.encode(), body)
    return OnceKey(caller.actor.id, request.url.path, idempotency.check_key(key), digest)


async def _parsed(body: bytes) -> Any:
    return await asyncio.to_thread(read_json, body) if len(body) > BIG_BODY_BYTES else read_json(body)


async def _body(request: Request) -> bytes:
    """Raises Problem: unsupported_media_type, request_too_large, request_timeout."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity")
    if content_type != "application/json" or encoding != "identity":
        raise Problem("unsupported_media_type")
    if (length := request.headers.get("content-length", "")).isdigit() and int(
        length
    ) > settings.GATEWAY_BODY_MAX_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(settings.GATEWAY_BODY_SECONDS):
            return await _read(request)
    except TimeoutError:
        raise Problem("request_timeout") from None
    except ClientDisconnect:
        raise Problem("request_timeout", "The client left before its body had arrived.") from None


async def _read(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > settings.GATEWAY_BODY_MAX_BYTES:
            raise _too_large()
    return b"".join(parts)


def _too_large() -> Problem:
    return Problem("request_too_large", f"The body is larger than {settings.GATEWAY_BODY_MAX_BYTES} bytes.")
