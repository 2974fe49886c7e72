"""What one process knows of a limit: what it may still give out without asking, when to ask again, and its own share
while Redis is down."""

from __future__ import annotations

from typing import Final, Literal

from django.conf import settings

from providers.redis import key
from tenants.rate_limits import Bound

MINUTE_SECONDS: Final = 60.0
SPARE_OF_LIMIT: Final = 1000  # a thousandth of a minute's worth is taken for calls to come
MOST_SPARE: Final = 1000
MOST_CLOSED_SECONDS: Final = 0.25  # another process may give back what it did not use

Sort = Literal["requests", "tokens"]


class Count:
    """What may be asked for in a minute. All times are monotonic seconds.

    `spare` was taken in Redis and not yet given out here; `owed` is what Redis still has to be told.
    """

    __slots__ = (
        "_ask_again_at", "_closed_for", "_free_alone_at", "_left", "_left_at", "_opens_at", "is_asking", "key", "limit",
        "owed", "sort", "spare", "spare_since", "whose",
    )  # fmt: skip

    def __init__(self, bound: Bound, sort: Sort, limit: int) -> None:
        self.key = key("limits", bound.name, sort)
        self.limit = limit
        self.sort: Sort = sort
        self.whose = bound.whose
        self.spare = 0
        self.spare_since = 0.0
        self.owed = 0
        self.is_asking = False
        self._left = limit
        self._left_at = 0.0
        self._closed_for = 0
        self._opens_at = 0.0
        self._ask_again_at = 0.0
        self._free_alone_at = 0.0

    # --- With Redis ---
    def wanted_spare(self) -> int:
        """How much to ask for beside what is needed: nothing while another call is asking."""
        return 0 if self.is_asking else min(MOST_SPARE, self.limit // SPARE_OF_LIMIT)

    def learn(self, left: int, spare: int, now: float) -> None:
        """What Redis says is left, beside the `spare` that it gave for calls to come."""
        self._left, self._left_at = left, now
        if spare:
            self.spare += spare
            self.spare_since = now

    def close(self, need: int, wait_seconds: float, now: float) -> None:
        """Redis has refused `need`: so it would for a moment, and is not asked meanwhile."""
        self._closed_for, self._opens_at = need, now + wait_seconds
        self._ask_again_at = now + min(wait_seconds, MOST_CLOSED_SECONDS)

    def wait_seconds(self, need: int, now: float) -> float:
        """How long a call must wait, as far as is known here; 0 where Redis is to be asked, or need not be."""
        if now >= self._ask_again_at or need < self._closed_for or need <= self.spare:
            return 0.0
        return self._opens_at - now

    def left_now(self, now: float) -> float:
        come_back = (now - self._left_at) * self.limit / MINUTE_SECONDS
        return min(float(self.limit), self._left + self.spare + come_back)

    def seconds_until_whole(self, now: float) -> float:
        return (self.limit - self.left_now(now)) * MINUTE_SECONDS / self.limit

    # --- Without ---
    def wait_alone(self, need: int, now: float) -> float:
        """How long a call must wait for this process's own share; 0 where it need not."""
        share = self._share()
        ahead = max(self._free_alone_at, now) + min(need, share) * MINUTE_SECONDS / share - now
        return ahead - MINUTE_SECONDS if ahead > MINUTE_SECONDS + 1e-6 else 0.0

    def take_alone(self, amount: int, now: float) -> None:
        """Count `amount` (below zero: less) in the share."""
        share = self._share()
        taken = min(amount, share)
        self._free_alone_at = max(self._free_alone_at, now) + taken * MINUTE_SECONDS / share
        self._left, self._left_at = int((now + MINUTE_SECONDS - self._free_alone_at) * share / MINUTE_SECONDS), now

    def _share(self) -> int:
        percent: int = settings.LIMITS_WITHOUT_REDIS_PERCENT
        return max(1, self.limit * percent // 100)


class Streams:
    """How many streams may run at the same time; `held` counts those of this process."""

    __slots__ = ("held", "key", "limit", "whose")

    def __init__(self, bound: Bound, limit: int) -> None:
        self.key = key("limits", bound.name, "streams")
        self.limit = limit
        self.whose = bound.whose
        self.held = 0

    def has_room_alone(self) -> bool:
        percent: int = settings.LIMITS_WITHOUT_REDIS_PERCENT
        return self.held < max(1, self.limit * percent // 100)
