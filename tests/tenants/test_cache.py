"""Limits on logins are counted in Redis; while it is down each process counts by itself, and people get in."""

import pytest
from django.core.cache import cache

from tenants.cache import SteadyCache
from tests.factories import PASSWORD, ApiClient

NOWHERE = "redis://127.0.0.1:1/0"


def test_what_is_written_is_read_by_another_process(redis_url):
    writer, reader = SteadyCache(redis_url, {"KEY_PREFIX": "t"}), SteadyCache(redis_url, {"KEY_PREFIX": "t"})
    writer.set("a", [1], 60)

    assert reader.get("a") == [1]
    assert reader.get_many(["a", "b"]) == {"a": [1]}
    assert reader.add("a", 2) is False
    reader.delete("a")
    assert writer.get("a", "gone") == "gone"


def test_without_redis_it_still_remembers():
    steady = SteadyCache(NOWHERE, {})
    steady.clear()
    steady.set("a", 1, 60)

    assert steady.add("a", 2) is False
    assert steady.incr("a") == 2
    assert steady.get("a") == 2
    assert "a" in steady
    assert steady.get("b", "nothing") == "nothing"
    steady.delete("a")
    assert steady.get("a") is None


@pytest.mark.django_db
def test_people_log_in_while_redis_is_down_and_wrong_passwords_are_still_counted(acme, settings):
    settings.CACHES = {"default": {"BACKEND": "tenants.cache.SteadyCache", "LOCATION": NOWHERE}}
    cache.clear()

    def log_in(password):
        body = {"email": acme.owner.email, "password": password}
        return ApiClient().post("/_allauth/app/v1/auth/login", body).status_code

    assert log_in(PASSWORD) == 200
    for _ in range(10):
        log_in("wrong-horse-battery")
    assert log_in(PASSWORD) == 400
