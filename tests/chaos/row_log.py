"""Triggers that log every change of a job's state or token: what the database took, whoever asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

_TABLE: Final = """
CREATE TABLE chaos_job_log (
    seq {serial}, at double precision, job {uuid}, state_before text, state text, token_before bigint, token bigint,
    owner text, attempt bigint, crashes bigint, failures bigint
)
"""
_POSTGRES: Final = """
CREATE FUNCTION chaos_log_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_job_log (at, job, state_before, state, token_before, token, owner, attempt, crashes, failures)
    VALUES (extract(epoch FROM clock_timestamp()), NEW.id, OLD.state, NEW.state, OLD.lease_token, NEW.lease_token,
            NEW.lease_owner, NEW.attempt, NEW.crashes, NEW.failures);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_job AFTER UPDATE ON providers_job FOR EACH ROW
WHEN (OLD.state <> NEW.state OR OLD.lease_token <> NEW.lease_token OR OLD.result IS DISTINCT FROM NEW.result)
EXECUTE FUNCTION chaos_log_job();
"""
_SQLITE: Final = """
CREATE TRIGGER chaos_job AFTER UPDATE ON providers_job
WHEN OLD.state <> NEW.state OR OLD.lease_token <> NEW.lease_token OR OLD.result IS NOT NEW.result
BEGIN
    INSERT INTO chaos_job_log (at, job, state_before, state, token_before, token, owner, attempt, crashes, failures)
    VALUES (unixepoch('subsec'), NEW.id, OLD.state, NEW.state, OLD.lease_token, NEW.lease_token, NEW.lease_owner,
            NEW.attempt, NEW.crashes, NEW.failures);
END
"""


@dataclass(frozen=True)
class RowChange:
    at: float
    job: str
    state_before: str
    state: str
    token_before: int
    token: int
    owner: str
    attempt: int
    crashes: int
    failures: int


def install() -> None:
    is_postgres = connection.vendor == "postgresql"
    types = (
        {"serial": "bigserial", "uuid": "uuid"} if is_postgres else {"serial": "integer PRIMARY KEY", "uuid": "text"}
    )
    with connection.cursor() as cursor:
        cursor.execute(_TABLE.format(**types))
        cursor.execute(_POSTGRES if is_postgres else _SQLITE)


def read() -> list[RowChange]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, job, state_before, state, token_before, token, owner, attempt, crashes, failures"
            " FROM chaos_job_log ORDER BY seq"
        )
        return [RowChange(row[0], _hex(row[1]), *row[2:]) for row in cursor.fetchall()]


def clear() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM chaos_job_log")


def _hex(job: Any) -> str:
    return str(job).replace("-", "")
