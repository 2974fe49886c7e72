"""A call is made again where that is safe and likely to help: nothing of it arrived, or the server asks to come back.

Never for more than a tenth of the calls to an endpoint: a box in trouble is not to be buried under repetitions.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, TypeVar

from providers.errors import UpstreamError
from providers.gateway.calls import Call

T = TypeVar("T")

REPEAT_AFTER_SECONDS: Final = (0.1, 0.5)  # at most twice
REPEAT_WITHIN_SECONDS: Final = 2.0
ASKS_TO_COME_BACK: Final = (429, 503)

SHARE_OF_CALLS: Final = 0.1
TOKENS_AT_FIRST: Final = 3.0  # so that an endpoint with few calls is not without any
TOKENS_PER_SECOND: Final = 0.1
MOST_TOKENS: Final = 10.0
MOST_ENDPOINTS: Final = 10_000


class RetryBudget:
    """What retries of one process may still be spent at each endpoint: a token each, of which every call brings a
    tenth, and time a little."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[str, float] = OrderedDict()
        self._topped_up_at: dict[str, float] = {}

    def note_call(self, endpoint: str) -> None:
        tokens = self._tokens.get(endpoint)
        if tokens is None:
            self._open(endpoint)
        elif tokens < MOST_TOKENS:
            self._tokens[endpoint] = tokens + SHARE_OF_CALLS

    def spend(self, endpoint: str) -> bool:
        """Take a token for one retry; False where none is left."""
        now = monotonic()
        earned = (now - self._topped_up_at[endpoint]) * TOKENS_PER_SECOND
        self._topped_up_at[endpoint] = now
        tokens = min(MOST_TOKENS, self._tokens[endpoint] + earned)
        is_enough = tokens >= 1.0
        self._tokens[endpoint] = tokens - is_enough
        return is_enough

    def _open(self, endpoint: str) -> None:
        if len(self._tokens) >= MOST_ENDPOINTS:
            forgotten, _ = self._tokens.popitem(last=False)
            del self._topped_up_at[forgotten]
        self._tokens[endpoint] = TOKENS_AT_FIRST
        self._topped_up_at[endpoint] = monotonic()


_budget: Final = RetryBudget()


async def repeated(call: Call, attempt: Callable[[], Awaitable[T]]) -> T:
    """What `attempt` gives, which is made up to three times within 2 s.

    Only what is proven unsent is repeated, else a caller might pay twice; and what the server turned away with a
    Retry-After that fits into the 2 s. Never once a token was shown.
    """
    endpoint = call.target.endpoint
    _budget.note_call(endpoint)
    began, waited_seconds = monotonic(), 0.0
    for usual_pause_seconds in REPEAT_AFTER_SECONDS:
        try:
            return await attempt()
        except UpstreamError as fault:
            asked_seconds = _asked_seconds(fault)
            if call.first_token_ms is not None or (asked_seconds is None and not _is_unsent(fault)):
                raise
            pause_seconds = max(usual_pause_seconds, asked_seconds or 0.0)
            spent_seconds = monotonic() - began if asked_seconds is None else waited_seconds
            if spent_seconds + pause_seconds > REPEAT_WITHIN_SECONDS or not _budget.spend(endpoint):
                raise
        waited_seconds += pause_seconds
        await asyncio.sleep(pause_seconds)
    return await attempt()


def _is_unsent(fault: UpstreamError) -> bool:
    return fault.retryable and not fault.sent


def _asked_seconds(fault: UpstreamError) -> float | None:
    if fault.retryable and fault.evidence.get("status") in ASKS_TO_COME_BACK:
        return fault.retry_after_seconds
    return None
