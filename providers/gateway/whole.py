"""A call whose answer comes whole: fetched, looked at, passed on."""

from __future__ import annotations

from providers.gateway.calls import Call
from providers.gateway.downstream import Downstream
from providers.gateway.openai_errors import JSON
from providers.gateway.retries import repeated
from providers.gateway.unary import relayed
from providers.gateway.upstreams import fetch


async def answer_whole(call: Call, downstream: Downstream) -> None:
    """Raises ProviderError; nothing has been said to the caller then."""
    reply = await repeated(call, lambda: fetch(call))
    body, used = relayed(call.operation, reply.body, reply.headers, shown_model=call.shown_model, asked=call.prompt())
    call.count = lambda: used
    await downstream.answer(200, [JSON, *call.headers()], body)
