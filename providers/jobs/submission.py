"""Take a job in: checked, sealed and committed before the answer, then the doorbell.

Submits that arrive together share one commit, the records of their `Idempotency-Key`s included. A broker that is down
changes nothing: the row is the truth, and the sweep finds it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import orjson
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from providers import doorbell, limits, routing
from providers.errors import LimitReached
from providers.jobs import pace, queue
from providers.jobs.census import FRESH_SECONDS, Census, count
from providers.jobs.depth import Depth
from providers.jobs.facts import job_facts, job_url
from providers.jobs.group_commit import GroupCommit
from providers.jobs.new_job import NewJob, insert
from providers.jobs.orders import Order
from providers.jobs.transitions import QUEUED
from providers.models import Job
from providers.upstream.target import Target
from tenants import idempotency
from tenants.authentication import Caller
from tenants.ids import new_id
from tenants.models import IdempotencyRecord
from tenants.problems import Problem

MOST_IN_ONE_COMMIT: Final = 200
MOST_RETRY_SECONDS: Final = 600
STANDSTILL_SECONDS: Final = 30  # where nothing of the tenant has ended of late


@dataclass(frozen=True, slots=True)
class OnceKey:
    """An `Idempotency-Key`: whose, for which address, and with which body."""

    actor_id: UUID
    route: str
    key: str
    body_digest: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A job that is not committed yet."""

    job: NewJob
    slug: str
    once: OnceKey | None
    at_once: int | None  # jobs that its endpoint takes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a submit; `is_replay` when an earlier request with the same key got it."""

    body: dict[str, Any]
    location: str
    is_replay: bool = False


async def submit(caller: Caller, order: Order, *, once: OnceKey | None = None) -> Accepted:
    """Have a job committed. Raises Problem or ProviderError; the model's are those of the data plane.

    `queue_full` (429) when the tenant has QUEUE_MAX_PER_TENANT jobs waiting; `rate_limit_exceeded` when a limit of
    requests is reached, or more tokens were used of late than a minute has.
    """
    target = await routing.target_for(caller, order.model, order.operation.name)
    admission = await limits.admit(caller.bounds)
    admission.end(1)  # its tokens are counted when it has ended: nobody knows yet when it will run
    now = timezone.now()
    job = NewJob(
        id=new_id(),
        tenant_id=caller.tenant_id,
        provider_id=target.provider_id,
        model_entry_id=target.model_entry_id,
        model_name=target.model_name or "",
        operation=order.operation.name,
        endpoint=target.endpoint,
        priority=order.priority,
        restart=order.restart,
        deadline_at=now + timedelta(seconds=order.deadline_seconds),
        created_at=now,
        api_key_id=caller.api_key_id,
        actor_label=caller.actor.label[:254],
        metadata=order.metadata,
        input=orjson.dumps(order.input),
    )
    return await _intake().group.add(Draft(job, caller.tenant_slug, once, _at_once(target)))


class Intake:
    """One per event loop: the group of submits that share a commit, and what is known of the lines they join."""

    def __init__(self) -> None:
        self.group: GroupCommit[Draft, Accepted] = GroupCommit(self.commit, name="job_submits", most=MOST_IN_ONE_COMMIT)
        self._census: Census | None = None
        self._boxes: dict[str, queue.Box] = {}
        self._of_tenant = Depth(lambda tenant_id: Job.objects.for_tenant(tenant_id).filter(state=QUEUED).count())

    def commit(self, drafts: Sequence[Draft]) -> Sequence[Accepted | Exception]:
        """All in one commit, each with its own answer. In a database thread."""
        try:
            results = self._commit_together(drafts)
        except (
            IntegrityError
        ):  # another process took an Idempotency-Key, or a provider or tenant is gone: find out whose
            results = [result for draft in drafts for result in self._commit_alone(draft)]
        if any(isinstance(result, Accepted) and not result.is_replay for result in results):
            doorbell.ring_now("job")
        return results

    def _commit_alone(self, draft: Draft) -> Sequence[Accepted | Exception]:
        try:
            return self._commit_together([draft])
        except IntegrityError:
            try:
                told = _told_before(draft)
            except Problem as problem:
                return [problem]
            return [told or Problem("conflict", "The model's provider was removed just now.")]

    def _commit_together(self, drafts: Sequence[Draft]) -> Sequence[Accepted | Exception]:
        results: dict[int, Accepted | Exception] = {}
        fresh: list[tuple[int, Draft, Accepted]] = []
        # The rows alone are one statement, so all or none by itself, in a third of the trips to the database.
        with transaction.atomic() if any(draft.once for draft in drafts) else nullcontext():
            for number, draft in enumerate(drafts):
                found = self._refusal_or_replay(draft, [earlier for _, earlier, _ in fresh])
                if found is not None:
                    results[number] = found
                else:
                    fresh.append((number, draft, self._accept(draft)))
            insert([draft.job for _, draft, _ in fresh])
            IdempotencyRecord.objects.bulk_create([_record(draft, told) for _, draft, told in fresh if draft.once])
        results.update({number: told for number, _, told in fresh})
        return [results[number] for number in range(len(drafts))]

    def _refusal_or_replay(self, draft: Draft, before: Sequence[Draft]) -> Accepted | Exception | None:
        try:
            told = _told_before(draft)
            if told is None and draft.once is not None and any(_is_same_key(draft, earlier) for earlier in before):
                return Problem("idempotency_in_progress", headers={"Retry-After": "1"})
        except Problem as problem:
            return problem
        if told is None and self._of_tenant.of(draft.job.tenant_id) >= settings.QUEUE_MAX_PER_TENANT:
            return _queue_full(draft.job.tenant_id)
        return told

    def _accept(self, draft: Draft) -> Accepted:
        job = draft.job
        self._of_tenant.add(job.tenant_id)
        return Accepted(job_facts(job, slug=draft.slug, queue=self._place(draft)), job_url(draft.slug, job.id))

    def _place(self, draft: Draft) -> queue.Place:
        """By a count that is half a second old at most, and what was taken in since."""
        if self._census is None or self._census.age_seconds > FRESH_SECONDS:
            self._census, self._boxes = count(), {}
        job = draft.job
        box = self._boxes.get(job.endpoint) or self._boxes.setdefault(
            job.endpoint, queue.Box(job.endpoint, self._census)
        )
        before = self._census.same_line(job.endpoint, job.tenant_id, job.priority)
        place = box.place(job, before, draft.at_once)
        model = job.model_entry_id.hex if job.model_entry_id else ""
        self._census.add(job.endpoint, job.tenant_id, job.priority, model, job.id)
        return place


_intakes: WeakKeyDictionary[asyncio.AbstractEventLoop, Intake] = WeakKeyDictionary()


def _intake() -> Intake:
    return _intakes.setdefault(asyncio.get_running_loop(), Intake())


def _at_once(target: Target) -> int | None:
    """How many jobs like this run at the same time: the box's own figure binds, and the provider's."""
    return min((figure for figure in (target.capacity, target.max_concurrency) if figure is not None), default=None)


def _told_before(draft: Draft) -> Accepted | None:
    if draft.once is None:
        return None
    answer = idempotency.recall(**asdict(draft.once))
    return Accepted(answer.body, answer.headers.get("Location", ""), is_replay=True) if answer else None


def _is_same_key(one: Draft, other: Draft) -> bool:
    mine, theirs = one.once, other.once
    if mine is None or theirs is None:
        return False
    return (mine.actor_id, mine.route, mine.key) == (theirs.actor_id, theirs.route, theirs.key)


def _record(draft: Draft, told: Accepted) -> IdempotencyRecord:
    assert draft.once is not None
    answer = idempotency.Answer(202, {"Location": told.location}, told.body)
    return idempotency.record_of(answer, **asdict(draft.once), tenant_id=draft.job.tenant_id)


def _queue_full(tenant_id: UUID) -> LimitReached:
    """The wait is until the tenant's next job has ended, as fast as they end now."""
    most, rate = settings.QUEUE_MAX_PER_TENANT, pace.per_second(str(tenant_id))
    seconds = min(MOST_RETRY_SECONDS, max(1, math.ceil(1 / rate))) if rate else STANDSTILL_SECONDS
    return LimitReached(
        "queue_full", f"{most} jobs of this tenant are waiting already.", retry_after_seconds=float(seconds)
    )
