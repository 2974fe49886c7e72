"""Renew the leases of all running attempts of this process in one statement; its answer says which ones must stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connection

from providers.jobs import sql
from providers.jobs.claims import LEASE_SECONDS

BEAT_SECONDS: Final = 5.0
BATCH: Final = 500

_RENEW = """
WITH wanted(id) AS (VALUES {values}){locks}
UPDATE providers_job SET lease_until = {lease_until}
WHERE state = 'running' AND lease_owner = %s AND id IN (SELECT id FROM wanted) {is_locked}
RETURNING id, lease_token, cancel_requested_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the rows say: `held` are ours still, by id and token; `to_cancel` among them have been asked to stop."""

    held: frozenset[tuple[UUID, int]]
    to_cancel: frozenset[UUID]


def beat(ids: Sequence[UUID], *, owner: str) -> Pulse:
    found: list[tuple[UUID, int, bool]] = []
    for start in range(0, len(ids), BATCH):
        found += _renew(ids[start : start + BATCH], owner)
    return Pulse(
        held=frozenset((job_id, token) for job_id, token, _ in found),
        to_cancel=frozenset(job_id for job_id, _, asked in found if asked),
    )


def _renew(ids: Sequence[UUID], owner: str) -> list[tuple[UUID, int, bool]]:
    locks, is_locked = sql.locked_in_order("SELECT id FROM wanted")
    statement = _RENEW.format(
        values=sql.values(len(ids), ["uuid"]),
        locks=locks,
        is_locked=is_locked,
        lease_until=sql.after(str(LEASE_SECONDS)),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*map(sql.id_of, ids), owner])
        return [(sql.uuid_of(row[0]), row[1], bool(row[2])) for row in sql.rows(cursor)]
