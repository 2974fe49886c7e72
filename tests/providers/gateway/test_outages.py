"""Without the database, or without Redis, who was known a moment ago goes on; nobody gains anything by it."""

from contextlib import contextmanager

import pytest
from django.db import connections
from django.utils import timezone

from providers import pubsub
from tenants import in_db
from tenants.actors import SYSTEM
from tenants.keys import revoke_key
from tenants.models import ApiKey
from tests.providers.gateway.conftest import HELLO, error
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

UNAVAILABLE = (503, "unavailable")


def chat_with(gateway, key):
    return gateway.post("chat/completions", HELLO, key=key)


@contextmanager
def database_unreachable():
    """For the gateway's threads: the test's own connection stands."""
    there = connections.settings["default"]
    before = {name: there[name] for name in ("NAME", "HOST", "PORT")}
    in_db.close_pool()
    there.update(NAME="/nowhere/at/all", HOST="127.0.0.1", PORT="1")
    try:
        yield
    finally:
        in_db.close_pool()
        there.update(before)


def test_known_keys_are_served_while_the_database_is_down_and_a_revocation_still_arrives(gateway, monkeypatch, caplog):
    monkeypatch.setattr("providers.fresh_cache.LIFETIME_SECONDS", 0.2)
    key, other = (gateway.team.key_of(gateway.team.owner) for _ in range(2))
    assert chat_with(gateway, key).status_code == 200
    wait_for(pubsub.is_listening)

    with database_unreachable():
        wait_for(lambda: chat_with(gateway, key).status_code == 200 and "cache_refresh_failed" in caplog.text)
        assert chat_with(gateway, key).status_code == 200
        assert error(chat_with(gateway, other)) == UNAVAILABLE, "it was not known"

        revoke_key(ApiKey.objects.for_tenant(gateway.team.id).earliest("-id"), by=SYSTEM)
        wait_for(lambda: chat_with(gateway, key).status_code == 503)

    wait_for(lambda: gateway.chat().status_code == 200)


def test_without_redis_calls_go_on_and_a_revocation_takes_a_second_longer(gateway, settings, tmp_path, monkeypatch):
    monkeypatch.setattr("providers.fresh_cache.LIFETIME_SECONDS", 3600.0)  # of a process that hears of it
    settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock"
    wait_for(lambda: not pubsub.is_listening())
    key = gateway.team.key_of(gateway.team.owner)
    assert chat_with(gateway, key).status_code == 200

    ApiKey.objects.for_tenant(gateway.team.id).update(revoked_at=timezone.now())  # as another process: unheard here

    wait_for(lambda: chat_with(gateway, key).status_code == 401)


def test_without_redis_each_process_lets_what_fails_rest_by_itself(gateway, settings, tmp_path, clock_of_rests):
    settings.BREAKER_FAULTS = 2
    settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock"
    gateway.fake.dial.fail = "backend_eof"
    assert [error(gateway.chat()) for _ in range(2)] == [(502, "provider_error")] * 2

    assert error(gateway.chat()) == (503, "provider_cooling_down")

    gateway.fake.dial.fail = None
    clock_of_rests.forward(120)
    assert gateway.chat().status_code == 200
