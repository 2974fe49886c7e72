"""Take queued jobs for this process: one conditional UPDATE that raises the fencing token.

The row is the truth. Whoever gets a row back from `claim` runs it; every later write carries the token it got. A lease
lapses after `LEASE_SECONDS` unless the heartbeat renews it, and then the sweep queues the job again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db import connection

from providers.jobs import sql
from providers.jobs.event_log import place
from providers.jobs.lines import OF_LINE
from tenants.sealing import Box, Context, Undecryptable, open_sealed

LEASE_SECONDS: Final = 15


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that is this process's until its lease is lost. `input` is None where it does not open any more."""

    id: UUID
    tenant_id: UUID
    provider_id: UUID | None
    model_entry_id: UUID | None
    api_key_id: UUID | None
    model_name: str
    operation: str
    endpoint: str
    restart: str
    attempt: int
    failures: int
    token: int
    seconds_left: float
    is_suspect: bool
    crashes: int
    line: str
    input: bytes | None = field(repr=False)
    box: Box = field(repr=False)


_CLAIM = """
WITH picked AS ({picked})
UPDATE providers_job
SET state = 'running', attempt = attempt + 1, lease_token = lease_token + 1, lease_owner = %s,
    lease_until = {lease_until}, started_at = COALESCE(started_at, {now}), first_token_at = NULL, run_after = NULL
WHERE state = 'queued' AND id IN (SELECT id FROM picked)
RETURNING id, tenant_id, provider_id, model_entry_id, api_key_id, model_name, operation, endpoint, restart, attempt,
          failures, lease_token, {seconds_left}, is_suspect, crashes, line, input
"""

_OLDEST = "SELECT id FROM (SELECT id FROM providers_job WHERE {of_line} %s {skip_locked}) oldest_{number}"


def claim(wanted: Mapping[str, int], *, owner: str) -> list[Claimed]:
    """Take up to so many of the oldest jobs of each line, in order of age. No two workers get the same one."""
    if not wanted:
        return []
    now = sql.now()
    of_line = OF_LINE.format(line="%s", now=now)
    oldest = [
        _OLDEST.format(of_line=of_line, skip_locked=sql.skip_locked(), number=number) for number in range(len(wanted))
    ]
    statement = _CLAIM.format(
        picked=" UNION ALL ".join(oldest),
        now=now,
        lease_until=sql.after(str(LEASE_SECONDS)),
        seconds_left=sql.seconds_until("deadline_at"),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*(value for line, most in wanted.items() for value in (line, line, most)), owner])
        taken = sql.rows(cursor)
    return sorted(map(_claimed, taken), key=lambda job: job.id)


def input_place(tenant_id: UUID, job_id: UUID) -> Context:
    return Context(tenant_id, "providers_job", job_id, "input")


def _claimed(row: tuple[Any, ...]) -> Claimed:
    job_id, tenant_id = sql.uuid_of(row[0]), sql.uuid_of(row[1])
    return Claimed(
        id=job_id,
        tenant_id=tenant_id,
        provider_id=sql.optional_uuid_of(row[2]),
        model_entry_id=sql.optional_uuid_of(row[3]),
        api_key_id=sql.optional_uuid_of(row[4]),
        model_name=row[5],
        operation=row[6],
        endpoint=row[7],
        restart=row[8],
        attempt=row[9],
        failures=row[10],
        token=row[11],
        seconds_left=row[12],
        is_suspect=bool(row[13]),
        crashes=row[14],
        line=row[15],
        input=_opened(row[16], input_place(tenant_id, job_id)),
        box=Box(place(tenant_id, job_id)),
    )


def _opened(sealed: Any, at: Context) -> bytes | None:
    if sealed is None:
        return None
    try:
        return open_sealed(bytes(sealed), at)
    except Undecryptable:
        return None
