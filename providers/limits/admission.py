"""What the limits say to one call: go on, with the headers that tell what is left, or come back later."""

from __future__ import annotations

import math
from collections.abc import Sequence
from time import monotonic
from typing import Final, Protocol

from providers.errors import LimitReached
from providers.limits.counts import Count, Sort, Streams

Headers = list[tuple[bytes, bytes]]
Want = tuple[Count, int]  # a count, and what is taken of it

SORTS: Final[tuple[Sort, ...]] = ("requests", "tokens")


class Books(Protocol):
    """Where an admitted call is counted."""

    def settle(self, count: Count, difference: int) -> None: ...

    def release(self, streams: Sequence[Streams], member: str) -> None: ...


class Admission:
    """A call that may go on. `end` it with the tokens that it used in truth; only the first time counts."""

    __slots__ = ("_books", "_member", "_streams", "_wants")

    def __init__(self, books: Books | None, wants: Sequence[Want], streams: Sequence[Streams], member: str) -> None:
        self._books = books
        self._wants = wants
        self._streams = streams
        self._member = member

    def end(self, tokens: int) -> None:
        """Never waits."""
        books, self._books = self._books, None
        if books is None:
            return
        for count, taken in self._wants:
            if count.sort == "tokens" and tokens != taken:
                books.settle(count, tokens - taken)
        if self._streams:
            books.release(self._streams, self._member)

    def headers(self) -> Headers:
        """`x-ratelimit-*` of the limits that are set."""
        return headers_of([count for count, _ in self._wants])


OPEN: Final = Admission(None, (), (), "")  # where no limit is set, there is nothing to count


class RateLimited(LimitReached):
    """A limit is reached. `headers` go with the answer."""

    def __init__(self, message: str, wait_seconds: float, headers: Headers) -> None:
        super().__init__("rate_limit_exceeded", message, retry_after_seconds=wait_seconds)
        self.headers = headers


def too_many(count: Count, wants: Sequence[Want], wait_seconds: float) -> RateLimited:
    seconds = max(1, math.ceil(wait_seconds))
    limit = f"{count.limit} {count.sort} a minute"
    message = f"This {count.whose} is limited to {limit}. Try again in {seconds} s."
    return RateLimited(message, wait_seconds, headers_of([one for one, _ in wants]))


def too_many_streams(streams: Streams, wants: Sequence[Want], wait_seconds: float) -> RateLimited:
    message = f"This {streams.whose} is limited to {streams.limit} streams at the same time. Try again when one ends."
    return RateLimited(message, wait_seconds, headers_of([one for one, _ in wants]))


def headers_of(counts: Sequence[Count]) -> Headers:
    """In OpenAI's form. Where a key and its tenant both have a limit, the one of which less is left is told."""
    now = monotonic()
    headers: Headers = []
    for sort in SORTS:
        told = min((one for one in counts if one.sort == sort), key=lambda one: one.left_now(now), default=None)
        if told is not None:
            name = sort.encode()
            headers.append((b"x-ratelimit-limit-" + name, b"%d" % told.limit))
            headers.append((b"x-ratelimit-remaining-" + name, b"%d" % max(0, int(told.left_now(now)))))
            headers.append((b"x-ratelimit-reset-" + name, duration(told.seconds_until_whole(now)).encode()))
    return headers


def duration(seconds: float) -> str:
    """As OpenAI writes it: `17ms`, `1.5s`, `6m0s`, `1h0m0s`."""
    ms = max(0, math.ceil(seconds * 1000))
    if ms < 1000:
        return f"{ms}ms"
    whole, rest = divmod(ms, 1000)
    minutes, left = divmod(whole, 60)
    shown = f"{left + rest / 1000:g}s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{shown}"
    return f"{minutes}m{shown}" if minutes else shown
