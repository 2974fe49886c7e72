"""Doorbells: coalesced, rung after the commit, never in the way of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery import Celery
from django.db import transaction

from config.celery import app
from providers import doorbell
from providers.redis import key
from tenants.ids import new_id


@pytest.fixture
def bells(redis_url: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> redis.Redis:
    settings.REDIS_URL = redis_url
    monkeypatch.setattr(doorbell, "FLAG_SECONDS", 600)  # the flag ends where somebody looks, not with the time
    client = redis.Redis.from_url(redis_url)
    client.flushdb()
    return client


def rung(bells: redis.Redis) -> int:
    return int(bells.llen(doorbell.bell_list("jobs")))


def test_many_rings_are_one_bell_until_somebody_looks(bells: redis.Redis):
    for _ in range(10):
        doorbell.ring_now("job")
    assert rung(bells) == 1

    bells.lpop(doorbell.bell_list("jobs"))
    bells.delete(key("door", "jobs"))
    doorbell.ring_now("job")
    assert rung(bells) == 1


async def test_bells_that_nobody_takes_for_hours_are_a_hundred(bells: redis.Redis):
    for _ in range(doorbell.MOST_BELLS + 5):
        await doorbell.take_flag()
        await doorbell.ring_on()

    assert rung(bells) == doorbell.MOST_BELLS


@pytest.mark.django_db(transaction=True)
def test_the_bell_rings_after_the_commit_and_not_without_it(bells: redis.Redis):
    with transaction.atomic():
        doorbell.ring("job", new_id())
        assert rung(bells) == 0
    assert rung(bells) == 1

    bells.flushdb()
    with transaction.atomic():
        doorbell.ring("job", new_id())
        transaction.set_rollback(True)
    assert rung(bells) == 0


@pytest.fixture
def nothing_there(settings: Any) -> Iterator[None]:
    """Redis and the broker are an address where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings.REDIS_URL = f"redis://127.0.0.1:{unused.getsockname()[1]}/0"
        elsewhere = Celery("elsewhere", broker=settings.REDIS_URL, set_as_current=True)
        elsewhere.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
        yield
        app.set_current()


@pytest.mark.usefixtures("nothing_there")
@pytest.mark.parametrize("kind", ["job", "validation", "discovery"])
def test_a_bell_that_cannot_ring_disturbs_nobody(kind: Any):
    lost = doorbell.unheard.labels(kind)

    def ring() -> float:
        before, started_at = lost._value.get(), time.monotonic()
        doorbell.ring_now(kind, new_id())
        doorbell.call_worker("somebody", "cancel:1")
        assert lost._value.get() == before + 1
        return time.monotonic() - started_at

    assert min(ring() for _ in range(3)) < 5  # a busy machine lengthens one or the other, not all


def test_a_redis_that_is_silent_is_asked_once_and_not_by_every_ring(settings: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("providers.redis.COMMAND_SECONDS", 0.2)
    monkeypatch.setattr("providers.redis.REST_SECONDS", 600.0)  # however long ten rings take
    monkeypatch.setattr("providers.redis._sync", {})  # and no later test meets the client that rests
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never answers
        silent.setblocking(False)
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        for _ in range(10):
            doorbell.ring_now("job")

        silent.accept()
        with pytest.raises(BlockingIOError):
            silent.accept()
