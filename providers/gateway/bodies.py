"""A request's body: read within limits of size and time, parsed without surprises."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from time import monotonic
from typing import Any, Final

import orjson
from django.conf import settings
from starlette.types import Receive, Scope

from providers.gateway.openai_errors import invalid
from tenants.problems import Problem

_SMALL_BYTES: Final = 4096

_SPELLED_EXACTLY = frozenset({"model", "stream", "stream_options"})


class CallerGone(Exception):
    """The caller hung up: there is nobody to answer."""


async def read_object(scope: Scope, receive: Receive) -> dict[str, Any]:
    """The JSON object in the body. Raises Problem request_too_large, request_timeout, malformed_json or
    invalid_request, or CallerGone."""
    body = await _read(scope, receive)
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise Problem("malformed_json", f"The body is not valid JSON: {fault}.") from None
    if not isinstance(content, dict):
        raise Problem("malformed_json", "The body is valid JSON, but not an object.")
    refuse_other_spellings(content)
    _refuse_repeated_names(content, body)
    return content


async def _read(scope: Scope, receive: Receive) -> bytes:
    limit = _announced_limit(scope)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    return b"".join([piece async for piece in _pieces(message, receive, limit)])


async def pieces_of(scope: Scope, receive: Receive) -> AsyncIterator[bytes]:
    """The body as it comes. Raises Problem request_too_large or request_timeout, or CallerGone."""
    limit = _announced_limit(scope)
    async for piece in _pieces(await receive(), receive, limit):
        yield piece


def _announced_limit(scope: Scope) -> int:
    """The limit of size, once it is seen that the body does not announce more."""
    limit: int = settings.GATEWAY_BODY_MAX_BYTES
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise _too_large(limit)
    return limit


async def _pieces(message: Any, receive: Receive, limit: int) -> AsyncIterator[bytes]:
    ends_at = monotonic() + settings.GATEWAY_BODY_SECONDS
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise CallerGone
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        yield piece
        if not message.get("more_body"):
            return
        try:
            message = await asyncio.wait_for(receive(), ends_at - monotonic())
        except TimeoutError:
            raise Problem("request_timeout") from None


def _too_large(limit: int) -> Problem:
    return Problem("request_too_large", f"The body is larger than {limit} bytes.")


def refuse_other_spellings(names: Iterable[str]) -> None:
    """Go servers read `Model` as `model`: such a field would slip past the checks made on the one we read."""
    for name in names:
        if name not in _SPELLED_EXACTLY and name.casefold() in _SPELLED_EXACTLY:
            raise invalid(name, f"Write the field `{name}` as `{name.casefold()}`.")


def _refuse_repeated_names(content: dict[str, Any], body: bytes) -> None:
    """orjson takes the last of two and says nothing. Names are looked for as they are usually written, all of them in a
    small body; one that also stands deeper down makes the slower reader decide. What slips through does no harm: the
    server gets a body written anew, in which every name stands once."""
    names = content if len(body) <= _SMALL_BYTES else _SPELLED_EXACTLY
    if any(body.count(b'"%b":' % name.encode()) > 1 for name in names):
        json.loads(body, object_pairs_hook=_without_repeats)


def _without_repeats(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise Problem("malformed_json", f"The name {repeated[:50]!r} stands twice in one object.")
