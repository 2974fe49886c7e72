"""Which failure leads to another attempt, when, and at what cost."""

from __future__ import annotations

import pytest

from providers.errors import (
    BrokenOff,
    ContextOverflow,
    CredentialRejected,
    Malformed,
    ModelLoading,
    Overloaded,
    ProviderError,
    SecretUnreadable,
    TimedOut,
    UnknownModel,
    Unreachable,
)
from providers.jobs.retries import Again, End, after_failure


def judged(error: ProviderError, *, failures: int = 0, restart: str = "always", shown: bool = False) -> Again | End:
    return after_failure(error, failures=failures, most_failures=3, restart=restart, token_shown=shown)


@pytest.mark.parametrize(
    "error",
    [Unreachable("connection_refused"), TimedOut("first_token"), BrokenOff(), Overloaded(), Malformed("empty_stream")],
    ids=lambda error: error.code,
)
def test_a_failure_that_may_pass_is_tried_again_and_counts(error: ProviderError):
    verdict = judged(error)

    assert isinstance(verdict, Again)
    assert verdict.burns
    assert 0 <= verdict.delay_seconds <= 1


@pytest.mark.parametrize(
    "error",
    [UnknownModel(), ContextOverflow(), CredentialRejected(), SecretUnreadable(), Malformed("web_page_not_api")],
    ids=lambda error: error.code,
)
def test_a_failure_that_stays_is_the_end(error: ProviderError):
    assert judged(error) == End(is_retryable=False)


def test_the_third_failure_is_the_end():
    assert isinstance(judged(BrokenOff(), failures=1), Again)
    assert judged(BrokenOff(), failures=2) == End(is_retryable=True)


@pytest.mark.parametrize("failures", [0, 2, 50])
def test_a_loading_model_is_waited_for_however_often(failures: int):
    verdict = judged(ModelLoading(retry_after_seconds=15), failures=failures)

    assert isinstance(verdict, Again)
    assert not verdict.burns
    assert 15 <= verdict.delay_seconds <= 17


def test_a_loading_model_that_names_no_time_is_asked_again_in_seconds():
    verdict = judged(ModelLoading())

    assert isinstance(verdict, Again)
    assert 5 <= verdict.delay_seconds <= 6


def test_an_asked_delay_costs_nothing():
    verdict = judged(Overloaded(retry_after_seconds=2), failures=2)

    assert isinstance(verdict, Again)
    assert (verdict.burns, verdict.delay_seconds >= 2) == (False, True)


def test_an_absurd_delay_is_not_believed():
    verdict = judged(Overloaded(retry_after_seconds=10**9))

    assert isinstance(verdict, Again)
    assert verdict.delay_seconds < 4000


def test_once_a_token_was_shown_the_job_says_whether_it_restarts():
    assert isinstance(judged(BrokenOff(), shown=True), Again)
    assert judged(BrokenOff(), shown=True, restart="before_first_token") == End(is_retryable=True)
    assert isinstance(judged(BrokenOff(), shown=False, restart="before_first_token"), Again)


def test_delays_grow_to_a_minute_at_most():
    verdicts = [
        after_failure(BrokenOff(), failures=n, most_failures=99, restart="always", token_shown=False) for n in range(40)
    ]

    assert all(isinstance(verdict, Again) and verdict.delay_seconds <= 60 for verdict in verdicts)
