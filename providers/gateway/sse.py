"""An event stream to one client: what a reader gives, a comment when it is silent, and an end in good order.

A client that leaves ends nothing but its own stream; one that does not read for SLOW_READER_SECONDS is dropped; when
the process is being stopped the stream ends, and the client comes back with its last id.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final, Protocol

from django.conf import settings
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from providers.stopping import stopping

KEEPALIVE: Final = b": keepalive\n\n"
LOOK_SECONDS: Final = 1.0


class EventReader(Protocol):
    """Where the events come from."""

    @property
    def is_over(self) -> bool:
        """Nothing will come any more."""

    async def next(self, *, within_seconds: float) -> bytes:
        """Whole events, encoded; empty when none came within the time."""


class EventStream(Response):
    """`held` is closed when the stream ends, however it does."""

    media_type = "text/event-stream"

    def __init__(self, reader: EventReader, held: AsyncExitStack) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({"cache-control": "no-store", "x-accel-buffering": "no"})  # nginx would collect the events
        self._reader = reader
        self._held = held
        self._sending_since: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            loop = asyncio.get_running_loop()
            sending = loop.create_task(self._send_all(send), name="sse_send")
            ends = [loop.create_task(_left(receive)), loop.create_task(stopping.wait())]
            try:
                await self._first_of({sending, *ends})
            finally:
                for task in (sending, *ends):
                    task.cancel()
                await asyncio.gather(sending, *ends, return_exceptions=True)
            if not self._is_stuck():
                await _finish(send, sending)

    async def _send_all(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        while not self._reader.is_over:
            text = await self._reader.next(within_seconds=settings.KEEPALIVE_SECONDS)
            self._sending_since = loop.time()
            await send({"type": "http.response.body", "body": text or KEEPALIVE, "more_body": True})
            self._sending_since = None

    async def _first_of(self, tasks: set[asyncio.Task[Any]]) -> None:
        """Until one has ended, or the client is too slow: looked at now and then, a timer for each event is dear."""
        look_seconds = min(LOOK_SECONDS, settings.SLOW_READER_SECONDS)
        while not self._is_stuck():
            ended, _ = await asyncio.wait(tasks, timeout=look_seconds, return_when=asyncio.FIRST_COMPLETED)
            if ended:
                return

    def _is_stuck(self) -> bool:
        since = self._sending_since
        return since is not None and asyncio.get_running_loop().time() - since >= settings.SLOW_READER_SECONDS


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _finish(send: Send, sending: asyncio.Task[None]) -> None:
    """The end of the body. What went wrong in sending is raised."""
    error = None if sending.cancelled() else sending.exception()
    if error is not None:
        raise error
    await send({"type": "http.response.body", "body": b"", "more_body": False})
