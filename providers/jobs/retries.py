"""What becomes of an attempt that went wrong: another one, and when, or the end. Pure: facts in, verdict out."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from providers.errors import ModelLoading, ProviderError, UpstreamError

FIRST_DELAY_SECONDS: Final = 1.0
MOST_DELAY_SECONDS: Final = 60.0
LOADING_SECONDS: Final = 5.0  # between looks at a server that says it loads but not how long
LONGEST_ASKED_SECONDS: Final = 3600.0  # a Retry-After beyond this is taken for a mistake


@dataclass(frozen=True, slots=True)
class Again:
    """Back to the queue for `delay_seconds`; `burns` counts it against JOB_MAX_ATTEMPTS."""

    delay_seconds: float
    burns: bool


@dataclass(frozen=True, slots=True)
class End:
    """The job has failed; `is_retryable` tells the caller whether the same job may pass another time."""

    is_retryable: bool


def after_failure(
    error: ProviderError, *, failures: int, most_failures: int, restart: str, token_shown: bool
) -> Again | End:
    """`failures` are those before this one. A loading model or a Retry-After costs nothing but the wait."""
    if not (isinstance(error, UpstreamError) and error.retryable):
        return End(is_retryable=error.retryable)
    if token_shown and restart == "before_first_token":
        return End(is_retryable=True)
    if isinstance(error, ModelLoading) or error.retry_after_seconds is not None:
        return Again(_asked_delay(error), burns=False)
    if failures + 1 >= most_failures:
        return End(is_retryable=True)
    return Again(_backoff(failures), burns=True)


def _asked_delay(error: ProviderError) -> float:
    asked = error.retry_after_seconds
    wait = LOADING_SECONDS if asked is None else min(max(asked, 0.0), LONGEST_ASKED_SECONDS)
    return wait + random.uniform(0, max(0.25, wait * 0.1))  # noqa: S311 - spreads a herd, guards nothing


def _backoff(failures: int) -> float:
    """Full jitter: any time up to a bound that doubles."""
    return random.uniform(0, min(MOST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**failures))  # noqa: S311
