"""`GET …/jobs/{job}/events`: the recorded events of a job from the start or after a cursor, and on as they come."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone
from starlette.requests import Request
from starlette.responses import Response

from providers.gateway.control_callers import caller_in_tenant
from providers.gateway.problem_responses import answering_problems
from providers.gateway.sse import EventStream
from providers.jobs.event_log import Cursor
from providers.jobs.follower import follower
from providers.jobs.transcript import Reader
from providers.jobs.transitions import TERMINAL
from providers.models import Job
from tenants.in_db import in_db
from tenants.problems import Problem

JUST_ENDED = timedelta(seconds=3)  # its last entry may still be on its way
NO_CONTENT: Final = 204  # an EventSource then stops


@answering_problems
async def job_events(request: Request) -> Response:
    caller = await caller_in_tenant(request, "jobs:read")
    job = await in_db(_find, caller.tenant_id, request.path_params["job"])
    cursor = _cursor(request, job)
    if cursor is not None and cursor.is_end:
        return Response(status_code=NO_CONTENT)
    async with AsyncExitStack() as held:
        is_erased = job.content_erased_at is not None
        following = follower().following(
            caller.tenant_id, job.pk, is_final=_ended_a_while_ago(job), is_erased=is_erased
        )
        transcript = await held.enter_async_context(following)
        return EventStream(Reader(transcript, cursor), held.pop_all())


def _find(tenant_id: UUID, job_id: str) -> Job:
    try:
        wanted = UUID(job_id)
    except ValueError:
        raise Problem("not_found") from None
    columns = ("state", "attempt", "lease_token", "finished_at", "content_erased_at", "tenant_id")
    rows = Job.objects.for_tenant(tenant_id).only(*columns)
    job: Job | None = rows.filter(pk=wanted).first()
    if job is None:
        raise Problem("not_found")
    return job


def _cursor(request: Request, job: Job) -> Cursor | None:
    """Where the reader goes on; the header wins. Raises Problem `cursor_invalid` for what this job never gave out."""
    text = request.headers.get("last-event-id") or request.query_params.get("after")
    if not text:
        return None
    cursor = Cursor.parse(text)
    is_ahead = cursor is not None and cursor.position.token > max(1, job.lease_token)
    if cursor is None or is_ahead or (cursor.is_end and job.state not in TERMINAL):
        raise Problem("cursor_invalid", hint="Send an `id` of this job's stream as it came, or none to start anew.")
    return cursor


def _ended_a_while_ago(job: Job) -> bool:
    return job.finished_at is not None and job.finished_at < timezone.now() - JUST_ENDED
