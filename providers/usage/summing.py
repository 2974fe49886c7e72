"""Sum up each hour that has ended, so that a report of a busy month reads a few thousand rows and not a million.

A tenant's hours are summed up in order and once: what its last `UsageHour` ends is settled, what comes after it is
still read call by call. Calls are written with the database's clock, seconds after they end at most; an hour is left
alone for five minutes after its end.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max, Min
from django.utils import timezone

from providers.models import UsageHour, UsageRecord
from providers.usage.figures import OF_CALLS, BucketStart
from tenants.models import Tenant

HOUR: Final = timedelta(hours=1)
SETTLED_AFTER: Final = timedelta(minutes=5)
AT_ONCE: Final = timedelta(days=1)  # of one tenant, in one transaction
COLUMNS: Final = ("model_name", "operation", "provider_id", "api_key_id")


def sum_up() -> int:
    """Sum up what has ended, of every tenant. How many rows it became. Two at the same time do no harm."""
    until = hour_of(timezone.now() - SETTLED_AFTER)
    written = 0
    for tenant_id in Tenant.objects.order_by("pk").values_list("pk", flat=True):
        while (since := _unsummed_since(tenant_id, until)) is not None:
            written += _sum_up_from(tenant_id, since, until)
    return written


def summed_until(tenant_id: UUID) -> datetime | None:
    """Every call before it stands in a `UsageHour`; None where nothing is summed up."""
    last = UsageHour.objects.for_tenant(tenant_id).aggregate(hour=Max("hour"))["hour"]
    return last + HOUR if last is not None else None


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def moment_of(start: Any) -> datetime:
    """What `BucketStart` gives: a time in PostgreSQL, the beginning of a text in SQLite."""
    found = start if isinstance(start, datetime) else datetime.fromisoformat(start)
    return found.replace(tzinfo=UTC)


def _unsummed_since(tenant_id: UUID, until: datetime) -> datetime | None:
    """The hour of the first call that is not summed up and is to be."""
    calls = UsageRecord.objects.for_tenant(tenant_id).filter(created_at__lt=until)
    settled = summed_until(tenant_id)
    if settled is not None:
        calls = calls.filter(created_at__gte=settled)
    first = calls.aggregate(at=Min("created_at"))["at"]
    return hour_of(first) if first is not None else None


def _sum_up_from(tenant_id: UUID, since: datetime, until: datetime) -> int:
    end = min(until, since + AT_ONCE)
    with transaction.atomic():
        tenant = Tenant.objects.select_for_update(no_key=True).filter(pk=tenant_id).first()
        if tenant is None or _unsummed_since(tenant_id, until) != since:  # deleted, or another one was here
            return 0
        calls = UsageRecord.objects.for_tenant(tenant_id).filter(created_at__gte=since, created_at__lt=end)
        grouped = calls.annotate(start=BucketStart(F("created_at"), "hour")).values("start", *COLUMNS)
        rows = [_row(tenant_id, facts) for facts in grouped.annotate(**OF_CALLS).order_by()]
        UsageHour.unscoped.bulk_create(rows, batch_size=500)
    return len(rows)


def _row(tenant_id: UUID, facts: dict[str, Any]) -> UsageHour:
    told = {name.removeprefix("of_"): value for name, value in facts.items() if name != "start"}
    return UsageHour(tenant_id=tenant_id, hour=moment_of(facts["start"]), **told)
