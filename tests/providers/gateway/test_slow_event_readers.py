"""A client that takes nothing of an event stream is dropped in its time; one that takes all of it is not."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from providers.gateway.sse import EventStream


class Events:
    def __init__(self, count: int) -> None:
        self.left = count

    @property
    def is_over(self) -> bool:
        return self.left == 0

    async def next(self, *, within_seconds: float) -> bytes:
        self.left -= 1
        return b"data: x\n\n"


async def never() -> Any:
    await asyncio.Event().wait()


async def streamed(count: int, takes: int) -> tuple[list[Any], bool]:
    """What a client was sent that takes so many messages and then no more, and whether what was held is let go."""
    sent: list[Any] = []
    let_go: list[bool] = []
    held = AsyncExitStack()
    held.callback(let_go.append, True)

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) > takes:
            await never()

    async with asyncio.timeout(60):
        await EventStream(Events(count), held)({"type": "http"}, never, send)
    return sent, bool(let_go)


async def test_a_client_that_takes_nothing_is_dropped(settings):
    settings.SLOW_READER_SECONDS = 0.05

    sent, is_let_go = await streamed(count=100, takes=3)

    assert is_let_go
    assert len(sent) == 4  # and no end of the body: that would be waited for as well


async def test_a_client_that_takes_all_gets_the_end(settings):
    settings.SLOW_READER_SECONDS = 0.05

    sent, is_let_go = await streamed(count=5, takes=100)

    assert is_let_go
    assert [message.get("more_body") for message in sent] == [None, *[True] * 5, False]
