"""People log in over allauth's headless API, and work with the session token or the cookie that it gives them."""

import re
from urllib.parse import unquote

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client

from tenants.actors import SYSTEM
from tenants.models import Membership, User
from tenants.registration import create_tenant
from tests.factories import PASSWORD, ApiClient

APP = "/_allauth/app/v1"
BROWSER = "/_allauth/browser/v1"

pytestmark = pytest.mark.django_db


def log_in(email, password=PASSWORD):
    return ApiClient().post(f"{APP}/auth/login", {"email": email, "password": password})


def logged_in(user):
    token = log_in(user.email).json()["meta"]["session_token"]
    return ApiClient(headers={"X-Session-Token": token})


def test_a_session_token_opens_the_api(acme):
    me = logged_in(acme.owner).get("/api/v1/me")

    assert me.status_code == 200
    assert me.json()["user"]["email"] == "owner@acme.example"
    assert me.json()["memberships"][0]["role"] == "owner"


def test_a_person_adds_a_key_with_the_session_token(acme):
    answer = logged_in(acme.owner).post(f"{acme.path}/api-keys", {"name": "mine"})

    assert answer.status_code == 201
    assert answer.json()["created_by"]["email"] == "owner@acme.example"


def test_a_wrong_password_opens_nothing(acme):
    answer = log_in(acme.owner.email, "wrong-horse-battery")

    assert answer.status_code == 400
    assert "session_token" not in answer.content.decode()


def test_a_person_who_was_switched_off_is_out_at_once(acme):
    client = logged_in(acme.owner)
    User.objects.filter(pk=acme.owner.pk).update(is_active=False)

    assert client.get("/api/v1/me").status_code == 401


def test_logging_out_ends_the_token(acme):
    client = logged_in(acme.owner)
    client.delete(f"{APP}/auth/session")

    assert client.get("/api/v1/me").status_code == 401


def test_a_changed_password_ends_other_sessions(acme):
    client = logged_in(acme.owner)
    acme.owner.set_password("another-horse-battery")
    acme.owner.save()

    assert client.get("/api/v1/me").status_code == 401


def test_reading_with_a_token_writes_no_session(acme, django_assert_num_queries):
    client = logged_in(acme.owner)

    with django_assert_num_queries(3):  # session, person, memberships
        client.get("/api/v1/me")


def test_the_session_table_does_not_hold_the_token(acme):
    token = log_in(acme.owner.email).json()["meta"]["session_token"]

    row = Session.objects.get()

    assert row.session_key != token
    assert ApiClient(headers={"X-Session-Token": row.session_key}).get("/api/v1/me").status_code == 401
    assert token not in row.session_data


def test_an_unknown_token_is_refused_even_beside_a_good_cookie(acme):
    browser = Client()
    browser.force_login(acme.owner)

    answer = browser.get("/api/v1/me", headers={"X-Session-Token": "0" * 32})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", ["", "x" * 5000, "ä" * 32, "' or 1=1", "\x7f" * 32], ids=ascii)
def test_garbage_for_a_token_is_refused(db, token):
    answer = Client().get("/api/v1/me", headers={"X-Session-Token": token})

    assert answer.status_code == 401


def test_a_browser_logs_in_with_cookie_and_csrf_token(acme):
    browser = Client(enforce_csrf_checks=True)
    browser.get(f"{BROWSER}/config")
    csrf = browser.cookies["csrftoken"].value
    browser.post(
        f"{BROWSER}/auth/login",
        {"email": acme.owner.email, "password": PASSWORD},
        content_type="application/json",
        headers={"X-CSRFToken": csrf},
    )

    assert browser.get("/api/v1/me").json()["user"]["email"] == acme.owner.email
    assert browser.cookies["sessionid"]["httponly"]
    assert browser.cookies["sessionid"]["samesite"] == "Lax"


def test_a_forgotten_password_is_reset_by_mail(acme):
    client = ApiClient()
    client.post(f"{APP}/auth/password/request", {"email": acme.owner.email})
    key = re.search(r"/account/password/reset/key/(\S+)", mail.outbox[0].body)[1]
    client.post(f"{APP}/auth/password/reset", {"key": key, "password": "a-brand-new-horse"})

    assert log_in(acme.owner.email).status_code == 400
    assert log_in(acme.owner.email, "a-brand-new-horse").status_code == 200


def test_an_owner_made_by_the_operator_gets_in_by_a_password_reset(db):
    create_tenant("acme", owner_email="jo@acme.example", by=SYSTEM)
    client = ApiClient()
    client.post(f"{APP}/auth/password/request", {"email": "jo@acme.example"})
    key = re.search(r"/account/password/reset/key/(\S+)", mail.outbox[0].body)[1]
    client.post(f"{APP}/auth/password/reset", {"key": key, "password": "a-brand-new-horse"})

    assert log_in("jo@acme.example", "a-brand-new-horse").status_code == 200
    assert Membership.unscoped.get().role == "owner"


def test_a_reset_for_nobody_says_the_same_and_sends_nothing(acme):
    known = ApiClient().post(f"{APP}/auth/password/request", {"email": acme.owner.email})
    unknown = ApiClient().post(f"{APP}/auth/password/request", {"email": "nobody@acme.example"})

    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    assert [message.to for message in mail.outbox] == [[acme.owner.email]]


@pytest.mark.parametrize("signup", ["closed", "invite"])
def test_nobody_signs_up_unless_sign_up_is_open(db, settings, signup):
    settings.SIGNUP = signup

    answer = ApiClient().post(f"{APP}/auth/signup", {"email": "new@acme.example", "password": PASSWORD})

    assert answer.status_code == 403
    assert not User.objects.exists()


def test_an_open_sign_up_lets_in_who_owns_the_address(db, settings):
    settings.SIGNUP = "open"
    signing_up = ApiClient().post(f"{APP}/auth/signup", {"email": "new@acme.example", "password": PASSWORD})
    before = log_in("new@acme.example")
    key = re.search(r"/account/verify-email/(\S+)", mail.outbox[0].body)[1]
    ApiClient().post(f"{APP}/auth/email/verify", {"key": unquote(key)})

    assert signing_up.status_code == 401
    assert before.status_code == 401
    assert log_in("new@acme.example").status_code == 200


def test_sign_up_knows_an_address_in_whatever_case(acme, settings):
    settings.SIGNUP = "open"
    ApiClient().post(f"{APP}/auth/signup", {"email": "OWNER@acme.example", "password": PASSWORD})

    assert User.objects.filter(email__iexact="owner@acme.example").count() == 1


def test_after_ten_wrong_passwords_the_right_one_must_wait_too(acme):
    for _ in range(10):
        log_in(acme.owner.email, "wrong-horse-battery")

    assert log_in(acme.owner.email).status_code == 400
