from __future__ import annotations

import base64
import logging
import os
from collections.abc import Iterator

import hypothesis
import pytest
from django.conf import settings as django_settings
from django.test import TransactionTestCase

from tests.emptying import empty_all

KEYRING = "test:" + base64.b64encode(bytes(range(32))).decode()
SECRET_KEY = "tests-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789"


def pytest_configure(config: pytest.Config) -> None:
    """The settings are loaded by now; child processes get the same from the environment."""
    os.environ.setdefault("KEYRING", KEYRING)
    os.environ.setdefault("SECRET_KEY", SECRET_KEY)
    os.environ.setdefault("HTTPS_ONLY", "0")
    django_settings.KEYRING = os.environ["KEYRING"]
    django_settings.SECRET_KEY = os.environ["SECRET_KEY"]
    django_settings.HTTPS_ONLY = django_settings.SECURE_SSL_REDIRECT = False
    django_settings.STAFF_MFA_REQUIRED = False
    django_settings.SESSION_COOKIE_SECURE = django_settings.CSRF_COOKIE_SECURE = False
    # Argon2 takes most of a second on purpose; what it protects is not here.
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    django_settings.ACCESS_LOG_SAMPLE = 0.0  # its lines would stand between the tests' dots, as would those of failures
    logging.getLogger("modelyard.access").setLevel(logging.WARNING)
    # Else every bell for a validation waits for a broker that is not there.
    django_settings.CELERY_BROKER_URL = "memory://localhost/"
    # A machine that stands still for a moment is no Redis that is down.
    from providers import redis

    redis.COMMAND_SECONDS = redis.CONNECT_SECONDS = 20.0
    TransactionTestCase._fixture_teardown = classmethod(empty_all)
    draw_examples(at_random=config.getoption("markexpr") == "long")
    # In memory until a test asks for `redis_url`.
    django_settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


def draw_examples(*, at_random: bool) -> None:
    """Else the same code is tried with the same examples each time. A busy machine may be as slow as it likes."""
    hypothesis.settings.register_profile(
        "patient",
        derandomize=not at_random,
        print_blob=True,
        database=None,
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file: other threads (the bridge, `in_db`, workers) must see the rows."""
    from django.db import connections

    database = connections["default"].settings_dict
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    """Limits on logins are counted in the cache: no test inherits another's."""
    from django.core.cache import cache

    yield
    cache.clear()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Valkey of this test process; REDIS_URL in the environment names another server."""
    from config.stack import valkey

    if os.environ.get("REDIS_URL"):
        yield os.environ["REDIS_URL"]
        return
    with valkey.running(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
def acme(db: None):
    from tests.factories import make_team

    return make_team("acme")


@pytest.fixture
def globex(db: None):
    from tests.factories import make_team

    return make_team("globex")


# --- The second engine ---
USES_A_DATABASE = {"db", "transactional_db", "django_db_setup", "stack"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database-only", action="store_true", help="leave out tests that touch no database: they ran on the other"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--database-only"):
        return
    kept = [item for item in items if uses_a_database(item) and item.get_closest_marker("any_database") is None]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def uses_a_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(fixtures & USES_A_DATABASE) or item.get_closest_marker("django_db") is not None
