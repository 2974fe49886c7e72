"""What an attempt came to, as its row will say it; and the one statement that writes many of them.

The guard is id, token and state: an attempt that lost its lease changes nothing, and learns so from the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import IntegrityError, connection, transaction

from providers import usage
from providers.jobs import sql
from providers.jobs.claims import Claimed
from providers.jobs.transitions import TERMINAL
from tenants.sealing import Context, seal


@dataclass(frozen=True, slots=True)
class Spent:
    """What the model server did for an attempt; `usage` is OpenAI's object, or None where nothing is known."""

    usage: dict[str, Any] | None
    is_estimated: bool
    first_token_ms: int | None
    total_ms: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """`state` queued gives the job back for `delay_seconds`; one cancelled meanwhile ends cancelled instead."""

    job: Claimed
    state: str
    result: bytes | None = field(default=None, repr=False)
    error: dict[str, Any] | None = field(default=None, repr=False)  # may repeat what was asked
    spent: Spent | None = None
    delay_seconds: float = 0.0
    burns: bool = False


_SETTLE: Final = """
WITH outcome(id, token, state, result, error, usage, failures, delay) AS (VALUES {values}){locks}
UPDATE providers_job
SET state = CASE WHEN {was_cancelled} THEN 'cancelled' ELSE outcome.state END,
    result = outcome.result, error = outcome.error, usage = outcome.usage,
    failures = providers_job.failures + outcome.failures,
    run_after = CASE WHEN outcome.state = 'queued' AND outcome.delay > 0 THEN {run_after} ELSE NULL END,
    finished_at = CASE WHEN outcome.state = 'queued' AND NOT ({was_cancelled}) THEN NULL ELSE {now} END,
    lease_owner = '', lease_until = NULL
FROM outcome
WHERE providers_job.id = outcome.id AND providers_job.lease_token = outcome.token AND providers_job.state = 'running'
{is_locked} RETURNING providers_job.id, providers_job.state
"""
_WAS_CANCELLED: Final = "outcome.state = 'queued' AND providers_job.cancel_requested_at IS NOT NULL"
_TYPES: Final[list[sql.Type]] = ["uuid", "bigint", "text", "bytea", "jsonb", "jsonb", "bigint", "double precision"]

_SHOWN: Final = """
UPDATE providers_job SET first_token_at = {now}
WHERE id = %s AND lease_token = %s AND state = 'running' RETURNING id
"""


def result_place(tenant_id: UUID, job_id: UUID) -> Context:
    return Context(tenant_id, "providers_job", job_id, "result")


def settle_all(batch: Sequence[Settlement]) -> list[str | Exception]:
    """The state each job has now, or "" where it was no longer this attempt's. One commit, with the usage of it."""
    try:
        return list(_settle_together(batch))
    except IntegrityError:  # a tenant was deleted meanwhile: its jobs are gone, the others' are not
        return [state for each in batch for state in _settle_alone(each)]


def _settle_together(batch: Sequence[Settlement]) -> list[str]:
    rows = [_row(settlement) for settlement in batch]
    with transaction.atomic():
        won = _write(rows)
        ended = [each for each in batch if each.spent is not None and won.get(each.job.id) in TERMINAL]
        usage.insert([_call(each, won[each.job.id]) for each in ended])
    return [won.get(settlement.job.id, "") for settlement in batch]


def _settle_alone(settlement: Settlement) -> list[str]:
    try:
        return _settle_together([settlement])
    except IntegrityError:
        return [""]


def note_first_token(job: Claimed) -> bool:
    """Write down, before the first token is shown, that one was: for jobs that then may not start again."""
    with connection.cursor() as cursor:
        cursor.execute(_SHOWN.format(now=sql.now()), [sql.id_of(job.id), job.token])
        return bool(sql.rows(cursor))


def _write(rows: Sequence[Sequence[Any]]) -> dict[UUID, str]:
    locks, is_locked = sql.locked_in_order("SELECT id FROM outcome")
    statement = _SETTLE.format(
        locks=locks,
        is_locked=is_locked,
        values=sql.values(len(rows), _TYPES),
        was_cancelled=_WAS_CANCELLED,
        run_after=sql.after("outcome.delay"),
        now=sql.now(),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [value for row in rows for value in row])
        return {sql.uuid_of(job_id): state for job_id, state in sql.rows(cursor)}


def _row(settlement: Settlement) -> list[Any]:
    job, spent = settlement.job, settlement.spent
    result = None
    if settlement.result is not None:
        result = seal(settlement.result, result_place(job.tenant_id, job.id))
    counted = spent.usage if spent is not None and settlement.state in TERMINAL else None
    return [
        sql.id_of(job.id),
        job.token,
        settlement.state,
        result,
        _json(_clean(settlement.error)),
        _json(counted),
        int(settlement.burns),
        settlement.delay_seconds,
    ]


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _clean(error: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a model server said may hold what no database takes: NUL, half a surrogate pair."""
    if error is None:
        return None
    message = str(error.get("message", "")).replace("\x00", "").encode("utf-8", "replace").decode()
    return {**error, "message": message}


def _call(settlement: Settlement, state: str) -> usage.Call:
    job, spent = settlement.job, settlement.spent
    assert spent is not None
    counted = spent.usage or {}
    return usage.Call(
        tenant_id=job.tenant_id,
        model_name=job.model_name,
        operation=job.operation,
        outcome=settlement.error["code"] if settlement.error else state,
        total_ms=spent.total_ms,
        first_token_ms=spent.first_token_ms,
        prompt_tokens=counted.get("prompt_tokens"),
        completion_tokens=counted.get("completion_tokens"),
        is_estimated=spent.is_estimated,
        api_key_id=job.api_key_id,
        provider_id=job.provider_id,
        model_entry_id=job.model_entry_id,
        job_id=job.id,
    )
