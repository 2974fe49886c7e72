"""A streamed call: from the model server's first frame to the caller's last byte."""

from __future__ import annotations

from providers.gateway.calls import Call
from providers.gateway.downstream import Downstream
from providers.gateway.relay import StreamRelay
from providers.gateway.retries import repeated
from providers.gateway.upstreams import opening


async def relay_stream(call: Call, downstream: Downstream) -> None:
    """Pass the answer on as it comes. Raises ProviderError; what was written until then is whole frames."""
    await repeated(call, lambda: _relay(call, downstream))


async def _relay(call: Call, downstream: Downstream) -> None:
    relay = StreamRelay(
        operation=call.operation,
        shown_model=call.shown_model,
        wants_usage=call.wants_usage,
        estimate=call.estimate,
    )
    call.count = relay.final_usage
    async with opening(call) as upstream:
        if upstream.status != 200:
            raise await upstream.error()
        async for frames in upstream.batches():
            out = relay.feed(frames)
            await _pass_on(out, relay, call, downstream)
            if downstream.wrote_much:
                del frames, out  # for a slow reader nothing is held twice
                await downstream.drained()
        await _pass_on(relay.finish(), relay, call, downstream)
        await downstream.finish()


async def _pass_on(out: bytes, relay: StreamRelay, call: Call, downstream: Downstream) -> None:
    if out:
        call.note_first_token()
        await downstream.write(out)
    if relay.failure:
        raise relay.failure
