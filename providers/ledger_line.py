"""One loop's line to a Lua script that keeps count in Redis: what is said at the same moment goes out as one call.

Nobody waits for a timer: while one call is on its way, what comes in meanwhile makes up the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import structlog

from providers.redis import REDIS_DOWN, RedisError

W = TypeVar("W")

log = structlog.get_logger(__name__)


class LedgerDown(Exception):
    """Redis does not answer: what the script would have said is not known."""


class LedgerLine(Generic[W]):
    """`say` takes all words of a moment, in order, and gives an answer for each. Belongs to one event loop."""

    def __init__(self, say: Callable[[Sequence[W]], Awaitable[Sequence[Any]]], *, name: str) -> None:
        self._say = say
        self._name = name
        self._pending: list[tuple[W, asyncio.Future[Any] | None]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def ask(self, word: W) -> Any:
        """What the script answers. Raises LedgerDown."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._enter(word, answer)
        return await answer

    def tell(self, word: W) -> None:
        """Say it, after all that was said before, without waiting. Lost while Redis is down."""
        self._enter(word, None)

    async def settle(self) -> None:
        """Wait until all has been said."""
        while self._flushing is not None:
            await asyncio.shield(self._flushing)

    def _enter(self, word: W, answer: asyncio.Future[Any] | None) -> None:
        self._pending.append((word, answer))
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush(), name=self._name)

    async def _flush(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending, []
                await self._exchange(batch)
        finally:
            self._flushing = None

    async def _exchange(self, batch: list[tuple[W, asyncio.Future[Any] | None]]) -> None:
        try:
            answers = await self._say([word for word, _ in batch])
        except (RedisError, *REDIS_DOWN) as fault:  # also one that is full, or still loads
            log.warning("ledger_down", ledger=self._name, error=str(fault), operations=len(batch))
            for _, waiting in batch:
                if waiting is not None and not waiting.done():
                    waiting.set_exception(LedgerDown(str(fault)))
            return
        for (_, waiting), answer in zip(batch, answers, strict=True):
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)
