"""Calls to the model server on behalf of a caller."""

from __future__ import annotations

from django.conf import settings

from providers.gateway.calls import Call
from providers.gateway.forms import Form, Rewritten
from providers.kinds import KINDS
from providers.upstream import client
from providers.upstream.calls import SSE
from providers.upstream.client import MAX_BODY_BYTES, Reply, UpstreamStream
from providers.upstream.wire import classify_error
from tenants.request_id import current_request_id


async def fetch(call: Call) -> Reply:
    """The server's whole answer of 200. Raises ProviderError."""
    content, headers = _request(call)
    reply = await client.current().fetch(
        call.target,
        "POST",
        KINDS[call.target.kind].path(call.operation),
        content=content,
        headers=headers,
        accept="application/json" if isinstance(content, bytes) else "application/json, text/*",
        max_bytes=settings.GATEWAY_IMAGES_MAX_BYTES if call.operation == "images.generations" else MAX_BODY_BYTES,
    )
    if reply.status != 200:
        raise classify_error(reply.status, reply.headers, reply.body, call.target.kind)
    return reply


def opening(call: Call, *, accept: str = SSE) -> UpstreamStream:
    """The server's answer as it comes: `async with opening(call) as upstream`. Leaving closes the upstream at once."""
    content, headers = _request(call)
    return client.current().stream(
        call.target,
        KINDS[call.target.kind].path(call.operation),
        content=content,
        headers=headers,
        accept=accept,
        is_unary=not call.wants_stream,
    )


def _request(call: Call) -> tuple[bytes | Rewritten, dict[str, str]]:
    headers = {"X-Correlation-ID": current_request_id()}
    if not isinstance(call.body, Form):
        return call.upstream_body(), headers
    form = call.body.rewritten(call.form_fields())
    return form, {**headers, "Content-Type": form.media_type}
