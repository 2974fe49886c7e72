"""Which state a job may go to from which. Terminal states never change; every change is a conditional update.

A change by the attempt that holds the lease keeps `lease_token`; a change by anyone else (cancel of a queued job, the
sweep) raises it, so that whoever held it before is fenced out of the row and of the stream.
"""

from __future__ import annotations

from typing import Any, Final

from django.db.models import F, Q
from django.db.models.functions import Now

from providers.models import Job

QUEUED, RUNNING = Job.State.QUEUED.value, Job.State.RUNNING.value
TERMINAL: Final = frozenset(Job.TERMINAL)

ALLOWED: Final[dict[str, frozenset[str]]] = {
    "queued": frozenset({"running", "cancelled", "expired"}),
    "running": frozenset({"queued", "succeeded", "failed", "cancelled", "expired", "dead"}),
    **{state: frozenset() for state in Job.TERMINAL},
}


class NotAllowed(ValueError):
    """A programming error: the table does not know this change."""


def check(from_state: str, to_state: str) -> None:
    if to_state not in ALLOWED[from_state]:
        raise NotAllowed(f"A job never goes from {from_state} to {to_state}.")


def take_away(job: Job, to_state: str, *, expected: str, still: Q | None = None, **changes: Any) -> bool:
    """Move a job that this process does not run. True for exactly one caller; False if it has moved on meanwhile.

    `still` is what must hold of the row beside its state and token. Raises the token, drops the lease, and keeps what
    is passed as `changes`. On success `job` is as the row is.
    """
    check(expected, to_state)
    fields: dict[str, Any] = {
        "state": to_state,
        "lease_token": F("lease_token") + 1,
        "lease_owner": "",
        "lease_until": None,
        **({"finished_at": Now()} if to_state in TERMINAL else {}),
        **changes,
    }
    rows = Job.objects.for_tenant(job.tenant_id).filter(pk=job.pk, state=expected, lease_token=job.lease_token)
    if not rows.filter(still or Q()).update(**fields):
        return False
    job.refresh_from_db(fields=list(fields))
    return True
