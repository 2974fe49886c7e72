"""When a key was last used is written in batches, beside the requests: nobody who is answered waits for it."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection

from tenants import key_use
from tenants.models import ApiKey
from tests.factories import ApiClient, bearer
from tests.stack.serving import serving
from tests.waiting import wait_for

NOON = datetime.fromisoformat("2027-03-01T12:00:00+00:00")


@pytest.fixture(autouse=True)
def _nothing_noted(db):
    key_use.flush()


def last_used(api_key):
    return ApiKey.unscoped.get(pk=api_key.pk).last_used_at


def use_at(acme, moment):
    with time_machine.travel(moment, tick=False):
        acme.client.get("/api/v1/me")


def test_a_request_writes_nothing(acme, django_assert_num_queries):
    with django_assert_num_queries(1):
        acme.client.get("/api/v1/me")

    assert last_used(acme.api_key) is None


def test_the_next_batch_writes_when_it_was_used(acme):
    use_at(acme, NOON)
    key_use.flush()

    assert last_used(acme.api_key) == NOON


def test_a_key_is_written_at_most_once_a_minute(acme, django_assert_num_queries):
    use_at(acme, NOON)
    key_use.flush()
    use_at(acme, NOON + timedelta(seconds=59))

    with django_assert_num_queries(0):
        key_use.flush()
    use_at(acme, NOON + timedelta(seconds=60))
    key_use.flush()

    assert last_used(acme.api_key) == NOON + timedelta(seconds=60)


def test_what_another_process_wrote_a_moment_ago_stands(acme):
    use_at(acme, NOON)
    ApiKey.unscoped.filter(pk=acme.api_key.pk).update(last_used_at=NOON - timedelta(seconds=30))
    key_use.flush()

    assert last_used(acme.api_key) == NOON - timedelta(seconds=30)


def test_many_keys_are_one_statement(acme, globex, django_assert_num_queries):
    keys = [acme.key_of(acme.owner) for _ in range(20)] + [globex.key]
    for key in keys:
        ApiClient(headers=bearer(key)).get("/api/v1/me")

    with django_assert_num_queries(1):
        key_use.flush()

    assert ApiKey.unscoped.exclude(last_used_at=None).count() == 21


def test_a_refused_key_was_not_used(acme):
    ApiClient(headers=bearer(acme.key[:-1] + ("y" if acme.key[-1] == "x" else "x"))).get("/api/v1/me")
    key_use.flush()

    assert last_used(acme.api_key) is None


@pytest.mark.django_db(transaction=True)
def test_what_the_database_did_not_take_is_written_later(acme):
    use_at(acme, NOON)

    def refuse(execute, sql, params, many, context):
        from django.db import OperationalError

        raise OperationalError("the database is down")

    with connection.execute_wrapper(refuse):
        key_use.flush()
    key_use.flush()

    assert last_used(acme.api_key) == NOON


@pytest.mark.django_db(transaction=True)
class TestWhileServing:
    def test_both_planes_write_it_without_being_asked(self, acme, globex, redis_url, settings):
        import httpx

        from config.asgi import application

        settings.REDIS_URL, settings.KEY_USE_FLUSH_SECONDS = redis_url, 0.05
        with serving(application) as (host, port):
            httpx.get(f"http://{host}:{port}/v1/models", headers=bearer(acme.key), timeout=60)
            httpx.get(f"http://{host}:{port}/api/v1/me", headers=bearer(globex.key), timeout=60)

            wait_for(lambda: last_used(acme.api_key) and last_used(globex.api_key), seconds=60)

    def test_a_process_that_ends_writes_what_it_knows(self, acme, redis_url, settings):
        import httpx

        from config.asgi import application

        settings.REDIS_URL, settings.KEY_USE_FLUSH_SECONDS = redis_url, 3600
        with serving(application) as (host, port):
            httpx.get(f"http://{host}:{port}/v1/models", headers=bearer(acme.key), timeout=60)

        assert last_used(acme.api_key)
