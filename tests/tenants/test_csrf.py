"""A page of another site must not act with a person's cookie."""

import pytest
from django.test import Client

from tenants.csrf import refuse_forgery_outside
from tenants.problems import Problem

pytestmark = pytest.mark.django_db

TOKEN = "a" * 32


@pytest.fixture
def browser(acme):
    client = Client(enforce_csrf_checks=True)
    client.force_login(acme.owner)
    return client


def make_key(browser, acme, **headers):
    return browser.post(f"{acme.path}/api-keys", {"name": "x"}, content_type="application/json", headers=headers)


def test_a_cookie_alone_reads(browser, acme):
    assert browser.get(acme.path).status_code == 200


def test_a_cookie_alone_changes_nothing(browser, acme):
    answer = make_key(browser, acme)

    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_cookie_with_its_token_changes_things(browser, acme):
    browser.cookies["csrftoken"] = TOKEN

    assert make_key(browser, acme, **{"X-CSRFToken": TOKEN}).status_code == 201


def test_a_foreign_origin_is_refused_even_with_the_token(browser, acme):
    browser.cookies["csrftoken"] = TOKEN

    answer = make_key(browser, acme, **{"X-CSRFToken": TOKEN, "Origin": "https://evil.example"})

    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


def test_a_trusted_origin_may_act(browser, acme, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.acme.example"]
    browser.cookies["csrftoken"] = TOKEN

    answer = make_key(browser, acme, **{"X-CSRFToken": TOKEN, "Origin": "https://app.acme.example"})

    assert answer.status_code == 201


class TestOutsideDjango:
    """What the data plane asks for requests that Django never sees."""

    def judged(self, method="POST", scheme="http", cookies=None, **headers):
        spelt = {name.lower().replace("_", "-"): value for name, value in headers.items()}
        refuse_forgery_outside(
            method=method, scheme=scheme, headers={"host": "testserver", **spelt}, cookies=cookies or {}
        )

    def test_a_cookie_alone_is_refused(self):
        with pytest.raises(Problem, match="csrf_failed"):
            self.judged()

    def test_reading_needs_no_token(self):
        self.judged(method="GET")

    def test_the_token_of_the_cookie_is_enough(self):
        self.judged(cookies={"csrftoken": TOKEN}, X_CSRFToken=TOKEN)

    def test_another_token_is_refused(self):
        with pytest.raises(Problem, match="csrf_failed"):
            self.judged(cookies={"csrftoken": TOKEN}, X_CSRFToken="b" * 32)

    def test_a_foreign_origin_is_refused(self):
        with pytest.raises(Problem, match="csrf_failed"):
            self.judged(cookies={"csrftoken": TOKEN}, X_CSRFToken=TOKEN, Origin="https://evil.example")

    def test_the_own_origin_is_not_foreign_under_https(self):
        self.judged(scheme="https", cookies={"csrftoken": TOKEN}, X_CSRFToken=TOKEN, Origin="https://testserver")
