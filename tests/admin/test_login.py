"""The operators' login asks for the second factor where one is set up; Django's own would not."""

import pytest
import time_machine
from django.test import Client

from tenants import second_factors
from tests.authenticator import code_of
from tests.factories import PASSWORD, make_user

LOGIN = "/admin/login/"


def log_in(email="ops@modelyard.example", password=PASSWORD, code=""):
    client = Client()
    answer = client.post(LOGIN, {"username": email, "password": password, "code": code, "next": "/admin/"})
    return client, answer


@pytest.fixture
def secret(operator):
    """What the operator's authenticator app holds. Time stands still: a code is good for half a minute at most."""
    secret = second_factors.new_secret()
    second_factors.enrol(operator, secret)
    with time_machine.travel("2027-03-01T12:00:00Z", tick=False):
        yield secret


def test_an_operator_logs_in_with_a_password(operator):
    client, answer = log_in()

    assert answer["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_a_wrong_password_is_refused(operator):
    _, answer = log_in(password="wrong")

    assert answer.status_code == 200
    assert "Please enter the correct" in answer.content.decode()


def test_a_person_who_is_no_operator_is_refused(db):
    make_user("owner@acme.example")

    _, answer = log_in("owner@acme.example")

    assert answer.status_code == 200


def test_the_password_alone_does_not_open_an_account_with_a_second_factor(operator, secret):
    client, answer = log_in()

    assert answer.status_code == 200
    assert "authenticator app" in answer.content.decode()
    assert client.get("/admin/").status_code == 302


def test_the_present_code_opens_it(operator, secret):
    _, answer = log_in(code=code_of(secret))

    assert answer["Location"] == "/admin/"


def test_a_code_opens_it_once(operator, secret):
    code = code_of(secret)

    assert log_in(code=code)[1].status_code == 302
    assert log_in(code=code)[1].status_code == 200


def test_a_recovery_code_opens_it_once(operator, secret):
    code = second_factors.enrol(operator, secret)[0]

    _, first = log_in(code=code)
    _, second = log_in(code=code)

    assert first.status_code == 302
    assert second.status_code == 200


def test_the_right_code_with_a_wrong_password_opens_nothing(operator, secret):
    client, answer = log_in(password="wrong", code=code_of(secret))

    assert answer.status_code == 200
    assert client.get("/admin/").status_code == 302


def test_guessing_codes_is_stopped_even_for_the_right_one(operator, secret):
    for number in range(12):
        log_in(code=f"{number:06}")

    assert log_in(code=code_of(secret))[1].status_code == 200


class TestWhereStaffNeedASecondFactor:
    """STAFF_MFA_REQUIRED, as in production."""

    @pytest.fixture(autouse=True)
    def _required(self, settings):
        settings.STAFF_MFA_REQUIRED = True

    def test_a_password_alone_opens_nothing_and_the_way_out_is_told(self, operator):
        client, answer = log_in()

        assert "manage.py second_factor" in answer.content.decode()
        assert client.get("/admin/").status_code == 302

    def test_a_wrong_password_does_not_learn_whether_there_is_a_second_factor(self, operator):
        assert "second factor, and this account" not in log_in(password="wrong")[1].content.decode()

    def test_both_open_every_page(self, operator, secret):
        client, answer = log_in(code=code_of(secret))

        assert answer["Location"] == "/admin/"
        assert client.get("/admin/tenants/tenant/").status_code == 200

    def test_a_recovery_code_opens_it_too(self, operator, secret):
        client, _ = log_in(code=second_factors.enrol(operator, secret)[0])

        assert client.get("/admin/").status_code == 200

    def test_a_session_from_elsewhere_that_rests_on_a_password_does_not(self, operator):
        client = Client()
        body = {"email": operator.email, "password": PASSWORD}
        client.post("/_allauth/browser/v1/auth/login", body, content_type="application/json")

        page = client.get("/admin/login/")

        assert client.get("/_allauth/browser/v1/auth/session").json()["meta"]["is_authenticated"]
        assert client.get("/admin/").status_code == 302
        assert "Log in with your second factor" in page.content.decode()

    def test_a_session_that_began_before_there_was_a_second_factor_does_not(self, operator):
        client = Client()
        client.force_login(operator)
        second_factors.enrol(operator, second_factors.new_secret())

        assert client.get("/admin/").status_code == 302

    def test_a_session_from_elsewhere_that_has_proven_both_does(self, operator, secret):
        client = Client()
        body = {"email": operator.email, "password": PASSWORD}
        client.post("/_allauth/browser/v1/auth/login", body, content_type="application/json")
        code = {"code": code_of(secret)}
        client.post("/_allauth/browser/v1/auth/2fa/authenticate", code, content_type="application/json")

        assert client.get("/admin/").status_code == 200


def test_guessing_is_stopped(operator):
    answers = [log_in(password="wrong")[1].content.decode() for _ in range(12)]

    assert "Too many failed login attempts" in answers[-1]
    assert log_in()[1].status_code == 200
