"""The counts in Redis: what a loop says to `limits.lua`."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, Final

from providers.ledger_line import LedgerDown, LedgerLine
from providers.redis import async_redis

__all__ = ["RENEW_SECONDS", "Ledger", "LedgerDown"]

LEASE_SECONDS: Final = 15.0  # of a stream; what a dead process held lapses
RENEW_SECONDS: Final = 5.0
SCRIPT: Final = Path(__file__).with_name("limits.lua").read_text()

Part = str | int


class Ledger:
    """One loop's."""

    def __init__(self) -> None:
        self._line: LedgerLine[tuple[Part, ...]] = LedgerLine(self._say, name="limits")
        self._script = async_redis().register_script(SCRIPT)

    def ask(self, *parts: Part) -> Awaitable[Any]:
        """What the script answers to this operation. Raises LedgerDown."""
        return self._line.ask(parts)

    def tell(self, *parts: Part) -> None:
        """Enter an operation without waiting. Lost while Redis is down."""
        self._line.tell(parts)

    async def settle(self) -> None:
        """Wait until all that was entered has been said."""
        await self._line.settle()

    async def _say(self, operations: Sequence[tuple[Part, ...]]) -> Sequence[Any]:
        words: list[Part] = [int(LEASE_SECONDS * 1000)]
        for parts in operations:
            words.extend(parts)
        answers: list[Any] = await self._script(args=words)
        return answers
