"""A stream of typed events, such as a transcript's: passed on as it comes, its errors told as all others."""

from __future__ import annotations

from providers.errors import ProviderError
from providers.gateway.calls import Call
from providers.gateway.downstream import Downstream
from providers.gateway.retries import repeated
from providers.gateway.upstreams import opening
from providers.upstream.sound_events import says_something
from providers.upstream.wire import Frame, Usage, error_in_frame, usage_of


async def relay_events(call: Call, downstream: Downstream) -> None:
    """Raises ProviderError; what was written until then is whole events. An error before the first event that says
    something is raised before anything is written."""
    await repeated(call, lambda: _relay(call, downstream))


async def _relay(call: Call, downstream: Downstream) -> None:
    relay = EventRelay()
    call.count = lambda: relay.counted or call.estimate(relay.pieces)
    async with opening(call) as upstream:
        if upstream.status != 200:
            raise await upstream.error()
        async for frames in upstream.batches():
            out = relay.feed(frames)
            if out:
                call.note_first_token()
                await downstream.write(out)
            if relay.failure is not None:
                raise relay.failure
        await downstream.finish()


class EventRelay:
    """Feed it frames; pass on what it gives back. `failure` is set once the stream has gone wrong."""

    def __init__(self) -> None:
        self.failure: ProviderError | None = None
        self.counted: Usage | None = None
        self.pieces = 0  # events that said something: about one for each token
        self._held: list[bytes] = []

    def feed(self, frames: list[Frame]) -> bytes:
        for frame in frames:
            self.failure = error_in_frame(frame)
            if self.failure is not None:
                return b"".join(self._taken()) if self.pieces else b""
            self._note(frame)
        return b"".join(self._taken()) if self.pieces else b""

    def _note(self, frame: Frame) -> None:
        self._held.append(frame.raw)
        if event := frame.parsed:
            self.pieces += says_something(event)
            self.counted = usage_of(event) or self.counted

    def _taken(self) -> list[bytes]:
        held, self._held = self._held, []
        return held
