"""Many logins at once take a few threads for a while and get an answer; nobody else waits for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from django.contrib.auth.hashers import MD5PasswordHasher, PBKDF2PasswordHasher, check_password, make_password
from django.test import Client

from tenants.password_hashing import FewAtOnce, places
from tests.factories import PASSWORD, ApiClient, Team, bearer
from tests.stack.serving import serving
from tests.waiting import wait_for

pytestmark = pytest.mark.any_database

LOGIN = "/_allauth/app/v1/auth/login"
THREADS, AT_ONCE = 8, 2
LOGINS = 40


class _Slow(MD5PasswordHasher):
    """A hash that lasts until the test says so."""

    let_go = threading.Event()
    running = most = 0
    _lock = threading.Lock()

    def verify(self, password: str, encoded: str) -> bool:
        with _Slow._lock:
            _Slow.running += 1
            _Slow.most = max(_Slow.most, _Slow.running)
        _Slow.let_go.wait(100)
        with _Slow._lock:
            _Slow.running -= 1
        return super().verify(password, encoded)


class SlowHasher(FewAtOnce, _Slow):
    pass


@pytest.fixture
def slow(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Slow]]:
    _Slow.let_go.clear()
    _Slow.running = _Slow.most = 0
    settings.PASSWORD_HASHES_AT_ONCE, settings.WEB_THREADS = AT_ONCE, THREADS
    monkeypatch.setattr("tenants.password_hashing.PATIENCE_SECONDS", 100)  # who has a place keeps it
    settings.PASSWORD_HASHERS = [f"{__name__}.SlowHasher"]
    settings.ACCOUNT_RATE_LIMITS = False  # a storm comes from many addresses, ours from one
    places.cache_clear()
    yield _Slow
    _Slow.let_go.set()
    places.cache_clear()


@pytest.fixture
def web(transactional_db: None, slow: type[_Slow]) -> Iterator[httpx.Client]:
    from config.asgi import application

    with (
        serving(application) as (host, port),
        httpx.Client(
            base_url=f"http://{host}:{port}", trust_env=False, timeout=100, limits=httpx.Limits(max_connections=LOGINS)
        ) as client,
    ):
        yield client
        slow.let_go.set()


@contextmanager
def every_place_taken(slow: type[_Slow]) -> Iterator[None]:
    with ThreadPoolExecutor(2 * AT_ONCE) as others:
        for _ in range(2 * AT_ONCE):
            others.submit(SlowHasher().verify, "x", "md5$salt$hash")
        wait_for(lambda: not places().free, seconds=60)
        yield
        slow.let_go.set()


def test_a_storm_of_logins_leaves_threads_for_everybody_else(web, slow, acme: Team):
    body = {"email": acme.owner.email, "password": PASSWORD}
    with ThreadPoolExecutor(LOGINS) as people:
        storm = [people.submit(web.post, LOGIN, json=body) for _ in range(LOGINS)]
        wait_for(lambda: sum(login.done() for login in storm) == LOGINS - 2 * AT_ONCE, seconds=60)
        meanwhile = [web.get(acme.path, headers=bearer(acme.key)) for _ in range(THREADS)]
        turned_away = [login.result() for login in storm if login.done()]
        slow.let_go.set()
        answers = [login.result() for login in storm]

    assert [answer.status_code for answer in meanwhile] == [200] * THREADS
    assert {(answer.status_code, answer.json()["code"]) for answer in turned_away} == {(503, "unavailable")}
    assert {answer.headers["Retry-After"] for answer in turned_away} == {"2"}
    assert slow.most == AT_ONCE
    assert [answer.status_code for answer in answers].count(200) == 2 * AT_ONCE


def test_who_was_turned_away_has_not_failed(acme: Team, slow, settings):
    settings.ACCOUNT_RATE_LIMITS = {}
    with every_place_taken(slow):
        turned_away = [ApiClient().post(LOGIN, {"email": acme.owner.email, "password": PASSWORD}) for _ in range(12)]
        page = Client().post("/admin/login/", {"username": acme.owner.email, "password": PASSWORD})

    assert {answer.status_code for answer in turned_away} == {503}
    assert "Many people are logging in" in page.content.decode()
    assert ApiClient().post(LOGIN, {"email": acme.owner.email, "password": PASSWORD}).status_code == 200


def test_passwords_are_hashed_with_argon2_and_those_from_elsewhere_still_open(settings):
    settings.PASSWORD_HASHERS = ["tenants.password_hashing.Argon2", "tenants.password_hashing.PBKDF2"]
    encoded = make_password(PASSWORD)
    from_elsewhere = PBKDF2PasswordHasher().encode(PASSWORD, "salt", iterations=1000)

    assert encoded.startswith("argon2$argon2id$")
    assert check_password(PASSWORD, encoded)
    assert not check_password("wrong", encoded)
    assert check_password(PASSWORD, from_elsewhere)
    assert places().free == 2 * AT_ONCE
