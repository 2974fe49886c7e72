"""`in_db`: the async world's door to the ORM keeps its threads and connections, and gives them back."""

import asyncio
import threading

import pytest
from django.db import connection

from tenants.in_db import close_pool, in_db
from tenants.models import Tenant
from tenants.request_id import bind, current_request_id

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def closed():
    close_pool()  # one that the process has from other tests has the size that was set for them
    yield
    close_pool()


def open_a_connection():
    connection.ensure_connection()
    return threading.get_ident(), id(connection.connection)


async def test_rows_written_there_are_seen_here():
    await in_db(Tenant.objects.create, slug="acme", name="Acme")

    assert await in_db(Tenant.objects.filter(slug="acme").exists)


async def test_threads_and_their_connections_last(settings):
    settings.IN_DB_THREADS = 1

    assert await in_db(open_a_connection) == await in_db(open_a_connection)


async def test_no_more_threads_than_set_are_used(settings):
    settings.IN_DB_THREADS = 3
    used = await asyncio.gather(*(in_db(open_a_connection) for _ in range(30)))

    assert 1 <= len({thread for thread, _ in used}) <= 3


async def test_the_callers_context_goes_along():
    bind("request-0123")

    assert await in_db(current_request_id) == "request-0123"


async def test_an_error_comes_back():
    with pytest.raises(Tenant.DoesNotExist):
        await in_db(Tenant.objects.get, slug="nobody")


async def test_a_closed_door_opens_again():
    await in_db(open_a_connection)
    close_pool()

    assert await in_db(Tenant.objects.count) == 0


def watch_the_health_checks():
    asked = []
    connection.ensure_connection()
    connection.is_usable = lambda: asked.append(1) or True
    return asked


@pytest.fixture
def no_rest(monkeypatch):
    """However long a busy machine takes from one call to the next, the connection counts as just used."""
    monkeypatch.setattr("tenants.in_db.TRUSTED_SECONDS", 60.0)


async def test_a_busy_connection_is_not_asked_whether_it_lives(settings, no_rest):
    settings.IN_DB_THREADS = 1
    asked = await in_db(watch_the_health_checks)

    for _ in range(5):
        await in_db(Tenant.objects.count)

    assert asked == []


async def test_a_connection_is_asked_after_a_call_that_failed(settings, no_rest):
    settings.IN_DB_THREADS = 1
    asked = await in_db(watch_the_health_checks)

    with pytest.raises(Tenant.DoesNotExist):
        await in_db(Tenant.objects.get, slug="nobody")
    await in_db(Tenant.objects.count)

    assert len(asked) == 1


async def test_a_connection_that_has_rested_is_asked(settings, monkeypatch):
    monkeypatch.setattr("tenants.in_db.TRUSTED_SECONDS", 0.0)
    settings.IN_DB_THREADS = 1
    asked = await in_db(watch_the_health_checks)

    await in_db(Tenant.objects.count)

    assert len(asked) == 1
