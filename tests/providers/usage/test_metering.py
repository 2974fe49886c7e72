"""Every call leaves one usage record, written in batches after the answer."""

import uuid
from types import SimpleNamespace

import pytest
from django.db import connection, connections

from providers import usage
from providers.models import UsageRecord
from providers.usage import metering
from tenants.models import Tenant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def acme_row():
    return Tenant.objects.create(slug="acme", name="Acme")


def call(tenant_id, **facts):
    return usage.Call(tenant_id, "gpt-3.5-turbo", "chat.completions", "succeeded", **{"total_ms": 120, **facts})


def test_what_was_noted_is_written(acme_row):
    usage.record(call(acme_row.id, prompt_tokens=7, completion_tokens=5, is_estimated=True, first_token_ms=40))

    usage.flush()

    row = UsageRecord.objects.for_tenant(acme_row).get()
    assert (row.prompt_tokens, row.completion_tokens, row.is_estimated, row.first_token_ms) == (7, 5, True, 40)


def test_of_many_calls_none_is_left_out(acme_row):
    for _ in range(600):
        usage.record(call(acme_row.id))

    usage.flush()

    assert UsageRecord.objects.for_tenant(acme_row).count() == 600


def test_what_is_noted_while_a_writer_ends_is_flushed_too(acme_row, settings, monkeypatch):
    settings.USAGE_FLUSH_SECONDS = 60.0
    usage.flush()
    late = [call(acme_row.id)]

    def close_all():
        connections.close_all()
        while late:
            usage.record(late.pop())

    monkeypatch.setattr(metering, "connections", SimpleNamespace(close_all=close_all))
    usage.record(call(acme_row.id))

    usage.flush()

    assert UsageRecord.objects.for_tenant(acme_row).count() == 2


def test_the_records_of_a_deleted_tenant_do_not_take_the_others_along(acme_row):
    usage.record(call(uuid.uuid4()))
    usage.record(call(acme_row.id))

    usage.flush()

    assert UsageRecord.objects.for_tenant(acme_row).count() == 1


def test_a_server_that_counts_absurdly_holds_nobody_else_up(acme_row):
    usage.record(call(acme_row.id, prompt_tokens=10**15, completion_tokens=-5))
    usage.record(call(acme_row.id, prompt_tokens=7))

    usage.flush()

    counted = UsageRecord.objects.for_tenant(acme_row).values_list("prompt_tokens", "completion_tokens")
    assert sorted(counted, key=str) == [(2**31 - 1, 0), (7, None)]


def test_a_record_that_the_database_does_not_take_holds_no_other_up(acme_row):
    usage.record(call(acme_row.id, total_ms=-1))
    usage.record(call(acme_row.id))

    usage.flush()

    assert [row.total_ms for row in UsageRecord.objects.for_tenant(acme_row)] == [120]


def test_what_is_noted_while_the_database_is_down_is_written_when_it_is_back(acme_row):
    def rename(old, new):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    rename("providers_usagerecord", "elsewhere")
    try:
        usage.record(call(acme_row.id))
        usage.record(call(acme_row.id))
        usage.flush()
    finally:
        rename("elsewhere", "providers_usagerecord")

    usage.record(call(acme_row.id))
    usage.flush()

    assert UsageRecord.objects.for_tenant(acme_row).count() == 3
