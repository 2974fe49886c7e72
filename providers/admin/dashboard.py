"""The first page: what asks for attention, how long the queue is, what happened within a day. Real rows only."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncHour
from django.http import HttpRequest
from django.utils import timezone
from django.utils.timesince import timesince

from providers.admin import states
from providers.admin.steps import subject_of
from providers.models import Job, Provider, UsageRecord, ValidationRun
from tenants.admin.links import list_address
from tenants.models import Tenant

HOURS: Final = 24
ROWS: Final = 8


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The template's context. Each part only for those who may view its rows elsewhere."""
    now = timezone.now()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "tenants.view_tenant": lambda: {"tenant_counts": _tenants()},
        "providers.view_provider": lambda: {"provider_states": _provider_states(), "failing": _failing()},
        "providers.view_job": lambda: {"queue": _queue(now), "recent_jobs": _recent(Job.unscoped.all(), "tenant")},
        "providers.view_validationrun": lambda: {"recent_runs": _recent_runs()},
        "providers.view_usagerecord": lambda: {"calls": _calls(now), "calls_chart": json.dumps(_chart(now))},
    }
    for right, part in parts.items():
        if request.user.has_perm(right):
            context.update(part())
    return context


def _tenants() -> dict[str, int]:
    return Tenant.objects.aggregate(active=Count("id", filter=Q(state="active")), all=Count("id"))


def _provider_states() -> list[dict[str, Any]]:
    counted = dict(Provider.unscoped.values_list("state").annotate(number=Count("id")).order_by())
    return [
        {
            "state": state.value,
            "label": state.label,
            "number": counted[state.value],
            "colour": states.PROVIDER.get(state.value, ""),
            "address": list_address(Provider, state__exact=state.value),
        }
        for state in Provider.State
        if state.value in counted
    ]


def _failing() -> list[Any]:
    rows = Provider.unscoped.filter(enabled=True, state__in=states.FAILING).select_related("tenant")
    failing = list(rows.order_by("state_since")[:ROWS])
    return [_shown(provider, states.PROVIDER, provider.state_since) for provider in failing]


def _queue(now: datetime) -> dict[str, Any]:
    waiting = Job.unscoped.filter(state=Job.State.QUEUED).aggregate(number=Count("id"), oldest=Min("created_at"))
    running = Job.unscoped.filter(state=Job.State.RUNNING).count()
    oldest = timesince(waiting["oldest"], now, depth=1) if waiting["oldest"] else ""
    return {"queued": waiting["number"], "oldest": oldest, "running": running}


def _recent(rows: QuerySet[Any], *related: str) -> list[Any]:
    recent = rows.select_related(*related).order_by("-id")[:ROWS]
    return [_shown(row, {**states.JOB, **states.RUN}, row.created_at) for row in recent]


def _recent_runs() -> list[Any]:
    runs = _recent(ValidationRun.unscoped.all(), "tenant", "provider")
    for run in runs:
        run.subject = subject_of(run)
    return runs


def _shown(row: Any, colours: states.Colours, since: datetime) -> Any:
    row.colour, row.age = colours.get(row.state, ""), timesince(since, depth=1)
    return row


# --- Calls of the last day ---


def _calls(now: datetime) -> dict[str, int]:
    return _since(now - timedelta(hours=HOURS)).aggregate(
        number=Count("id"),
        failed=Count("id", filter=~Q(outcome__in=["succeeded", "cancelled"])),
        tokens_in=Sum("prompt_tokens", default=0),
        tokens_out=Sum("completion_tokens", default=0),
    )


def _chart(now: datetime) -> dict[str, Any]:
    """Calls an hour, those that failed apart, as unfold's chart component takes it."""
    hours = [_hour(now) - timedelta(hours=back) for back in reversed(range(HOURS))]
    rows = _since(hours[0]).annotate(hour=TruncHour("created_at")).values("hour").order_by()
    counted = {
        row["hour"]: row for row in rows.annotate(all=Count("id"), good=Count("id", filter=Q(outcome="succeeded")))
    }
    good = [counted[hour]["good"] if hour in counted else 0 for hour in hours]
    rest = [counted[hour]["all"] - counted[hour]["good"] if hour in counted else 0 for hour in hours]
    look = {"stack": "calls", "displayYAxis": True, "borderRadius": 2, "maxBarThickness": 18}
    return {
        "labels": [hour.strftime("%H:%M") for hour in hours],
        "datasets": [
            {"label": "Succeeded", "data": good, "backgroundColor": "var(--color-primary-600)", **look},
            {"label": "Failed or cancelled", "data": rest, "backgroundColor": "#ef4444", **look},
        ],
    }


def _since(moment: datetime) -> QuerySet[UsageRecord]:
    """By id, which begins with the clock: the primary key finds them without reading the whole table."""
    return UsageRecord.unscoped.filter(id__gte=UUID(int=int(moment.timestamp() * 1000) << 80))


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
