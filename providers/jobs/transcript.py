"""The events of one job in this process: read once from Redis, encoded once, shared by all its readers.

A reader is only a place in the list, so that a slow one costs no memory and a new one no call. Where the numbers show
that events are missing, a gap stands in the list; after a gap a reader is shown no delta until a restart.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from providers.jobs.event_log import END_NUMBER, Cursor, Event, Kind, Position, encode

GAP: Final = encode("gap", b"{}")


@dataclass(frozen=True, slots=True)
class Told:
    """One event as it goes out. A gap has the position of the event behind it, and no id."""

    position: Position
    kind: Kind | Literal["gap"]
    text: bytes


class Transcript:
    """Grows by `take_in` and ends by `close`. For one event loop."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.moved = b""  # the newest event that is not recorded: where the job stands in the queue
        self.ended = False
        self._next = Position(0, 0)
        self._wakers: set[asyncio.Future[None]] = set()

    def take_in(self, position: Position, attempt: int, events: Iterable[Event]) -> bool:
        """Add an entry of the stream. True when it says that the row is final: the caller then closes."""
        if position.number != END_NUMBER and position <= self._last():
            return False
        is_end = False
        for offset, (kind, data) in enumerate(events):
            if kind == "end":
                self._expect(position, int(data or b"0"))
                is_end = True
            else:
                at = Position(position.token, position.number + offset)
                self._expect(at, at.number)
                self.told.append(Told(at, kind, encode(kind, data, Cursor(attempt, at))))
                self._next = Position(at.token, at.number + 1)
        self._wake()
        return is_end

    def close(self, done: bytes, at: Position, *, lost: bool) -> None:
        """The last event. `lost`: what came before it cannot all be shown."""
        if self.ended:
            return
        if lost:
            self.told.append(Told(at, "gap", GAP))
        self.told.append(Told(at, "end", done))
        self.ended = True
        self._wake()

    def start_after(self, cursor: Cursor | None) -> int:
        """The index at which a reader with this cursor begins."""
        if cursor is None:
            return 0
        at = bisect_right(self.told, cursor.position, key=lambda told: told.position)
        seen = cursor.position
        if at < len(self.told) and self.told[at].kind == "gap":
            behind = self.told[at].position
            if behind == (seen.token, seen.number + 1):  # the reader has all that came before it
                return at + 1
        return at

    def move(self, text: bytes) -> None:
        """Show where the job stands in the queue, to those who read now; never replayed."""
        if text != self.moved:
            self.moved = text
            self._wake()

    async def change(self, *, within_seconds: float) -> None:
        """Wait until something is added or moved, or the time is over."""
        loop = asyncio.get_running_loop()
        waker: asyncio.Future[None] = loop.create_future()
        self._wakers.add(waker)
        alarm = loop.call_later(within_seconds, _set, waker)
        try:
            await waker
        finally:
            alarm.cancel()
            self._wakers.discard(waker)

    def _expect(self, at: Position, number: int) -> None:
        """Put a gap where the numbers jump."""
        expected = self._next.number if self._next.token == at.token else 0
        if number > expected:
            self.told.append(Told(at, "gap", GAP))

    def _last(self) -> Position:
        return self.told[-1].position if self.told else Position(0, 0)

    def _wake(self) -> None:
        wakers, self._wakers = self._wakers, set()
        for waker in wakers:
            _set(waker)


def _set(waker: asyncio.Future[None]) -> None:
    if not waker.done():
        waker.set_result(None)


class Reader:
    """One client's way through a transcript."""

    __slots__ = ("_at", "_is_past_gap", "_moved", "_transcript")

    def __init__(self, transcript: Transcript, cursor: Cursor | None) -> None:
        self._transcript = transcript
        self._at = transcript.start_after(cursor)
        self._moved = b""
        self._is_past_gap = False

    @property
    def is_over(self) -> bool:
        return self._transcript.ended and self._at >= len(self._transcript.told)

    async def next(self, *, within_seconds: float) -> bytes:
        """What there is to send, many events in one piece; empty when nothing came within the time."""
        if not self._has_news():
            await self._transcript.change(within_seconds=within_seconds)
        told = self._transcript.told
        fresh, self._at = told[self._at :], len(told)
        if not fresh:
            return self._move()
        if not self._is_past_gap and not any(each.kind == "gap" for each in fresh):
            return b"".join([each.text for each in fresh])
        return b"".join(self._without_lost(fresh))

    def _has_news(self) -> bool:
        return self._at < len(self._transcript.told) or self._moved != self._transcript.moved

    def _move(self) -> bytes:
        if self._moved == self._transcript.moved:
            return b""
        self._moved = self._transcript.moved
        return self._moved

    def _without_lost(self, fresh: list[Told]) -> Iterable[bytes]:
        for each in fresh:
            if each.kind == "restart":
                self._is_past_gap = False
            if self._is_past_gap and each.kind in ("gap", "delta"):
                continue
            self._is_past_gap = self._is_past_gap or each.kind == "gap"
            yield each.text
