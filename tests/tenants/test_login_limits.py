"""Guessing passwords and asking for resets is limited by account and by address; the limit says when to come back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import time_machine
from django.core import mail

from tests.factories import PASSWORD, ApiClient, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

APP = "/_allauth/app/v1"


@pytest.fixture(autouse=True)
def _in_one_minute() -> Iterator[None]:
    """What is limited by the minute happens in one, however long it takes."""
    with time_machine.travel("2027-03-01T12:00:00Z", tick=False):
        yield


def from_address(number: int) -> ApiClient:
    return ApiClient(REMOTE_ADDR=f"198.51.100.{number}")


def log_in(client: ApiClient, email: str, password: str = "wrong-horse-battery"):
    return client.post(f"{APP}/auth/login", {"email": email, "password": password})


def ask_for_reset(client: ApiClient, email: str):
    return client.post(f"{APP}/auth/password/request", {"email": email})


def test_an_account_is_guessed_at_five_times_from_wherever(acme):
    codes = [log_in(from_address(number), acme.owner.email).json()["errors"][0]["code"] for number in range(1, 9)]

    assert codes == ["email_password_mismatch"] * 5 + ["too_many_login_attempts"] * 3
    assert log_in(from_address(9), acme.owner.email, PASSWORD).status_code == 400


def test_an_address_guesses_ten_times_a_minute_at_whomever(acme, globex):
    people = [make_user(f"person{number}@acme.example").email for number in range(12)]
    codes = [log_in(from_address(1), email).json()["errors"][0]["code"] for email in people]

    assert codes == ["email_password_mismatch"] * 10 + ["too_many_login_attempts"] * 2
    assert log_in(from_address(1), globex.owner.email, PASSWORD).status_code == 400
    assert log_in(from_address(2), globex.owner.email, PASSWORD).status_code == 200


def test_an_address_tries_thirty_logins_a_minute_and_is_then_told_to_wait(acme):
    answers = [log_in(from_address(1), acme.owner.email, PASSWORD) for _ in range(31)]

    assert [answer.status_code for answer in answers] == [200] * 30 + [429]
    assert answers[-1].headers["Retry-After"] == "60"


def test_a_claimed_forwarding_address_counts_for_nothing(acme):
    """Only the address that the web server itself vouches for does."""
    answers = [
        ApiClient(headers={"X-Forwarded-For": f"203.0.113.{number}"}).post(
            f"{APP}/auth/login", {"email": f"person{number}@acme.example", "password": "wrong-horse-battery"}
        )
        for number in range(1, 12)
    ]

    assert answers[-1].json()["errors"][0]["code"] == "too_many_login_attempts"


def test_resets_are_limited_by_account_and_by_address(acme):
    by_account = [ask_for_reset(from_address(number), acme.owner.email).status_code for number in range(1, 8)]
    numbers = itertools.count()
    by_address = [ask_for_reset(from_address(99), f"nobody{next(numbers)}@acme.example") for _ in range(21)]

    assert by_account == [200] * 5 + [429] * 2
    assert len(mail.outbox) == 5
    assert [answer.status_code for answer in by_address] == [200] * 20 + [429]
    assert by_address[-1].headers["Retry-After"] == "60"
