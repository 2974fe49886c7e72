"""A person's second factor, from its set-up to its loss, over allauth's headless API."""

import re
from dataclasses import dataclass, field

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.core import mail
from django.db import connection

from tests.authenticator import code_of
from tests.factories import PASSWORD, ApiClient

pytestmark = pytest.mark.django_db

APP = "/_allauth/app/v1"
TOTP = f"{APP}/account/authenticators/totp"
RECOVERY_CODES = f"{APP}/account/authenticators/recovery-codes"


@dataclass
class Person:
    """Somebody with an email address, a password and, in time, an app that holds `secret`."""

    email: str
    password: str = PASSWORD
    secret: str = field(default="", repr=False)

    def give_password(self, password=None):
        """The answer, and a client that goes on from it."""
        answer = ApiClient().post(f"{APP}/auth/login", {"email": self.email, "password": password or self.password})
        return answer, ApiClient(headers={"X-Session-Token": answer.json().get("meta", {}).get("session_token", "")})

    def log_in(self, code=None):
        """A client with a session that has proven both, and the last answer."""
        answer, client = self.give_password()
        if code is not None:
            answer = client.post(f"{APP}/auth/2fa/authenticate", {"code": code})
            token = answer.json().get("meta", {}).get("session_token", "")
            client = ApiClient(headers={"X-Session-Token": token})
        return answer, client

    def log_in_twice(self, code=None):
        """A client that may change the second factor: that takes the password again."""
        _, client = self.log_in(code)
        client.post(f"{APP}/auth/reauthenticate", {"password": self.password})
        return client

    def set_up(self):
        client = self.log_in_twice()
        self.secret = client.get(TOTP).json()["meta"]["secret"]
        assert client.post(TOTP, {"code": code_of(self.secret)}).status_code == 200


@pytest.fixture
def jo(acme):
    return Person(acme.owner.email)


@pytest.fixture
def clock():
    """Time stands still; a code counts once, so that the next login needs the next half minute."""
    with time_machine.travel("2027-03-01T12:00:00Z", tick=False) as clock:
        yield clock


@pytest.fixture
def protected(jo, clock):
    jo.set_up()
    clock.shift(60)
    return jo


def opens(client):
    return client.get("/api/v1/me").status_code == 200


def test_it_is_asked_for_once_it_is_set_up(protected):
    answer, half = protected.give_password()
    whole_answer, whole = protected.log_in(code_of(protected.secret))

    assert answer.status_code == 401
    assert [flow["id"] for flow in answer.json()["data"]["flows"] if flow.get("is_pending")] == ["mfa_authenticate"]
    assert not opens(half)
    assert whole_answer.status_code == 200
    assert opens(whole)


def test_setting_it_up_takes_a_code_that_the_app_shows(jo):
    client = jo.log_in_twice()
    client.get(TOTP)

    assert client.post(TOTP, {"code": "000000"}).status_code == 400
    assert not Authenticator.objects.exists()


def test_neither_its_secret_nor_the_recovery_codes_seed_lies_open_in_the_database(protected):
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator ORDER BY type")
        seed, secret = (str(row[0]) for row in cursor.fetchall())

    assert "test:" in seed
    assert "test:" in secret
    assert protected.secret not in secret


def test_a_wrong_code_opens_nothing(protected):
    answer, client = protected.log_in("000000")

    assert answer.status_code == 400
    assert not opens(client)


def test_a_code_counts_once(protected):
    code = code_of(protected.secret)

    assert protected.log_in(code)[0].status_code == 200
    assert protected.log_in(code)[0].status_code == 400


def test_the_code_of_another_time_does_not_count(protected):
    assert protected.log_in(code_of(protected.secret, periods_ahead=-2))[0].status_code == 400
    assert protected.log_in(code_of(protected.secret, periods_ahead=2))[0].status_code == 400


def test_guessing_codes_is_stopped_even_for_the_right_one(protected):
    guesses = [protected.log_in(f"{number:06}")[0].status_code for number in range(10)]

    assert set(guesses) == {400}
    assert protected.log_in(code_of(protected.secret))[0].status_code == 400


def test_each_recovery_code_stands_in_for_the_app_once(protected):
    client = protected.log_in_twice(code_of(protected.secret))
    codes = client.get(RECOVERY_CODES).json()["data"]["unused_codes"]
    first, _ = protected.log_in(codes[0])
    again, _ = protected.log_in(codes[0])
    other, opened = protected.log_in(codes[1])

    assert len(codes) == len(set(codes)) == 10
    assert (first.status_code, again.status_code, other.status_code) == (200, 400, 200)
    assert opens(opened)


def test_new_recovery_codes_replace_the_former(protected):
    client = protected.log_in_twice(code_of(protected.secret))
    former = client.get(RECOVERY_CODES).json()["data"]["unused_codes"]
    client.post(RECOVERY_CODES)
    new = client.get(RECOVERY_CODES).json()["data"]["unused_codes"]

    assert not set(former) & set(new)
    assert protected.log_in(former[0])[0].status_code == 400
    assert protected.log_in(new[0])[0].status_code == 200


def test_a_new_password_by_mail_does_not_get_around_it(protected):
    client = ApiClient()
    client.post(f"{APP}/auth/password/request", {"email": protected.email})
    key = re.search(r"/account/password/reset/key/(\S+)", mail.outbox[-1].body)[1]
    client.post(f"{APP}/auth/password/reset", {"key": key, "password": "a-brand-new-horse"})

    answer, half = protected.give_password("a-brand-new-horse")

    assert answer.status_code == 401
    assert not opens(half)


def test_taking_it_away_takes_a_recent_proof(protected, clock):
    client = protected.log_in_twice(code_of(protected.secret))
    clock.shift(3600)
    refused = client.delete(TOTP)
    client.post(f"{APP}/auth/2fa/reauthenticate", {"code": code_of(protected.secret)})
    taken = client.delete(TOTP)

    assert refused.status_code == 401
    assert taken.status_code == 200
    assert opens(protected.log_in()[1])
    assert not Authenticator.objects.exists()


def test_a_pending_login_sets_nothing_up_and_takes_nothing_away(protected):
    _, half = protected.give_password()

    assert half.get(RECOVERY_CODES).status_code == 401
    assert half.delete(TOTP).status_code == 401
    assert half.post(RECOVERY_CODES).status_code == 401


def test_it_outlives_a_new_keyring_key(protected, settings):
    import base64
    import io

    from django.core.management import call_command

    settings.KEYRING = f"new:{base64.b64encode(bytes(range(7, 39))).decode()},{settings.KEYRING}"
    call_command("rotate_keys", kek=True, stdout=io.StringIO(), stderr=io.StringIO())

    assert Authenticator.objects.get(type="totp").data["secret"].startswith("new:")
    assert protected.log_in(code_of(protected.secret))[0].status_code == 200


@pytest.mark.parametrize("path", [TOTP, RECOVERY_CODES, f"{APP}/account/authenticators"])
def test_nobody_sees_anything_without_a_login(db, path):
    assert ApiClient().get(path).status_code == 401
