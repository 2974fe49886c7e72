"""Hours that have ended are summed up once, and no report shows the difference."""

import threading
from datetime import timedelta
from itertools import product
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from providers.models import UsageHour, UsageRecord
from providers.tasks import sum_usage
from providers.usage import summing
from providers.usage.summing import hour_of, sum_up
from tests.providers.usage.calls import add_call, at

GROUPINGS = ["", "model", "api_key,operation", "provider,model"]


@pytest.fixture
def some_days(acme, globex):
    """Calls of all sorts on three days, with an hour between them that has none."""
    for day, hour, minute in product((3, 4, 6), (0, 9, 23), (0, 59)):
        add_call(acme, at(day, hour, minute), total_ms=day * 100 + hour, is_estimated=bool(minute))
    add_call(acme, at(4, 9, 30), model_name="ada", operation="embeddings", first_token_ms=None, completion_tokens=None)
    add_call(acme, at(4, 9, 30), outcome="cancelled", api_key_id=None)
    add_call(acme, at(6, 9, 30), outcome="provider_unreachable", prompt_tokens=None, completion_tokens=None)
    add_call(globex, at(4, 9), total_ms=999_999)


def reports(team):
    """Over whole days, from and to the middle of an hour, and inside one."""
    times = [(at(3, 0), at(7, 0)), (at(3, 9, 30), at(6, 9, 31)), (at(4, 9, 10), at(4, 9, 45)), (at(3, 23), at(4, 0))]
    found = []
    for (since, until), bucket, group_by in product(times, ("hour", "day"), GROUPINGS):
        asked = {"from": since.isoformat(), "to": until.isoformat(), "bucket": bucket, "limit": 200}
        answer = team.client.get(f"{team.path}/usage", {**asked, **({"group_by": group_by} if group_by else {})})
        assert answer.status_code == 200
        found.append(answer.json())
    return found


@pytest.mark.django_db
def test_a_report_is_the_same_before_and_after(acme, some_days):
    before = reports(acme)

    assert sum_up() > 0

    assert reports(acme) == before
    assert before[0]["totals"]["calls"] == 21


@pytest.mark.django_db
def test_what_is_summed_up_is_no_longer_read(acme, some_days):
    sum_up()
    UsageRecord.objects.for_tenant(acme.id).delete()

    assert reports(acme)[0]["totals"]["calls"] == 21


@pytest.mark.django_db
def test_summing_again_changes_nothing_and_goes_on_where_it_ended(acme, some_days):
    sum_usage()
    rows = UsageHour.unscoped.count()

    assert sum_up() == 0
    add_call(acme, at(8))
    assert sum_up() == 1

    assert UsageHour.unscoped.count() == rows + 1
    assert UsageHour.objects.for_tenant(acme.id).latest("hour").hour == at(8)


@pytest.mark.django_db
def test_an_hour_that_may_still_get_calls_is_left_alone(acme, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr(summing, "timezone", SimpleNamespace(now=lambda: now))  # an hour may end meanwhile
    add_call(acme, now)
    add_call(acme, hour_of(now - timedelta(minutes=5)))

    assert sum_up() == 0
    assert acme.client.get(f"{acme.path}/usage").json()["totals"]["calls"] == 2


@pytest.mark.django_db(transaction=True)
def test_two_that_sum_up_at_the_same_time_do_it_once(acme, some_days):
    def work():
        try:
            sum_up()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    hours = UsageHour.objects.for_tenant(acme.id).values_list("calls", flat=True)
    assert sum(hours) == 21
