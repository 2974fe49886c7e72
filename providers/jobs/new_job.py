"""A job before it is a row. Inserted by hand: the ORM takes longer for a row than all else that a submit does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

import orjson
from django.db import connection

from providers.jobs import sql
from providers.jobs.claims import input_place
from tenants.sealing import seal


@dataclass(frozen=True, slots=True)
class NewJob:
    """Named as the row's columns. `input` is plain JSON, and sealed when the row is written."""

    id: UUID
    tenant_id: UUID
    provider_id: UUID | None
    model_entry_id: UUID | None
    model_name: str
    operation: str
    endpoint: str
    priority: str
    restart: str
    deadline_at: datetime
    created_at: datetime
    api_key_id: UUID | None
    actor_label: str
    metadata: dict[str, Any]
    input: bytes = field(repr=False)

    # What every new row has, for those who show it.
    state: ClassVar[str] = "queued"
    attempt: ClassVar[int] = 0
    error: ClassVar[None] = None
    usage: ClassVar[None] = None
    started_at: ClassVar[None] = None
    finished_at: ClassVar[None] = None
    cancel_requested_at: ClassVar[None] = None
    content_erased_at: ClassVar[None] = None
    redrive_of: ClassVar[None] = None


_INSERT: Final = """
INSERT INTO providers_job (
    id, tenant_id, provider_id, model_entry_id, model_name, operation, endpoint, priority, restart, deadline_at,
    created_at, api_key_id, actor_label, metadata, input,
    state, attempt, failures, crashes, is_suspect, lease_token, lease_owner
) VALUES {rows}
"""
_TYPES: Final[list[sql.Type]] = [
    "uuid",
    "uuid",
    "uuid",
    "uuid",
    "text",
    "text",
    "text",
    "text",
    "text",
    "timestamptz",
    "timestamptz",
    "uuid",
    "text",
    "jsonb",
    "bytea",
]
_QUEUED: Final = ", 'queued', 0, 0, 0, false, 0, ''"


def insert(jobs: Sequence[NewJob]) -> None:
    """Write the rows, in the caller's transaction. Raises IntegrityError when a provider or tenant is gone."""
    if jobs:
        statement = _INSERT.format(rows=sql.values(len(jobs), _TYPES, _QUEUED))
        with connection.cursor() as cursor:
            cursor.execute(statement, [value for job in jobs for value in _row(job)])


def _row(job: NewJob) -> list[Any]:
    return [
        sql.id_of(job.id),
        sql.id_of(job.tenant_id),
        sql.optional_id_of(job.provider_id),
        sql.optional_id_of(job.model_entry_id),
        job.model_name,
        job.operation,
        job.endpoint,
        job.priority,
        job.restart,
        sql.moment_of(job.deadline_at),
        sql.moment_of(job.created_at),
        sql.optional_id_of(job.api_key_id),
        job.actor_label,
        orjson.dumps(job.metadata).decode(),
        seal(job.input, input_place(job.tenant_id, job.id)),
    ]
