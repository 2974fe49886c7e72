"""Usage records at given times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from providers.models import UsageRecord
from tests.factories import Team


def at(day: int, hour: int = 12, minute: int = 0) -> datetime:
    """A time of November 2026."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def add_call(team: Team, moment: datetime, **facts: Any) -> UsageRecord:
    """A call of chat.completions that succeeded, with 10 tokens in and 5 out."""
    usual = {
        "model_name": "gpt-4", "operation": "chat.completions", "outcome": "succeeded", "prompt_tokens": 10,
        "completion_tokens": 5, "first_token_ms": 100, "total_ms": 1000, "api_key_id": team.api_key.id,
    }  # fmt: skip
    row = UsageRecord(tenant_id=team.id, **{**usual, **facts})
    row.save()
    UsageRecord.objects.for_tenant(team.id).filter(pk=row.pk).update(created_at=moment)
    return row
