"""Where a queued job stands in the arbiter's order, and how long it may have to wait.

An estimate: as if nobody else came, and jobs took what their model usually takes. Calls of `/v1` that wait beside them
are not counted; how fast the line moves tells of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from django.db.models import Count, Min

from providers.endpoints import capacity_of
from providers.jobs import pace
from providers.jobs.census import Census, Crowd, census
from providers.kinds import KINDS
from providers.models import Job, Provider
from providers.turns import RANKS, UNKNOWN_SECONDS

COUNT_UP_TO: Final = 10  # jobs; for more, one list of the tenant's line is cheaper
_NEARLY: Final = 1e-9


class Queued(Protocol):
    """A job's row, or one that is about to be."""

    @property
    def id(self) -> UUID: ...
    @property
    def tenant_id(self) -> UUID: ...
    @property
    def provider_id(self) -> UUID | None: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def priority(self) -> str: ...


Place = dict[str, Any]  # {"position", "eta_seconds"}


def places_of(jobs: Sequence[Job]) -> dict[UUID, Place]:
    """The place of each queued job: 1 is next at its endpoint; no estimate of the wait where nothing is known."""
    if not jobs:
        return {}
    now = census()
    own = _by_counting(jobs) if len(jobs) <= COUNT_UP_TO else _by_listing(jobs)
    boxes = {endpoint: Box(endpoint, now) for endpoint in {job.endpoint for job in jobs}}
    return {job.pk: boxes[job.endpoint].place(job, own[job.pk]) for job in jobs if job.pk in own}


def place_of(job: Job) -> Place | None:
    return places_of([job]).get(job.pk) if job.state == Job.State.QUEUED else None


class Box:
    """One endpoint with all that waits there. Other tenants' jobs count, and are never shown."""

    def __init__(self, endpoint: str, now: Census) -> None:
        self.endpoint = endpoint
        self._weights = now.weights
        self._crowds = now.at(endpoint)  # grows with what the census is told of
        self._seconds = pace.model_seconds(list({crowd.name.model for crowd in self._crowds if crowd.name.model}))
        self._usual = pace.known([endpoint]).get(endpoint)
        self._rate: float | None = None
        self._capacities: dict[UUID | None, int | None] = {}

    def place(self, job: Queued, same_line_before: int, at_once: int | None = None) -> Place:
        """`same_line_before`: jobs of its tenant here, of the same priority, that are older. `at_once`: how many the
        box takes, where that is known already."""
        mine = [crowd for crowd in self._crowds if crowd.name.tenant_id == job.tenant_id]
        better = sum(crowd.count for crowd in mine if RANKS[crowd.name.priority] < RANKS[job.priority])
        before = better + same_line_before
        position = before + 1 + self._others_before(job, mine, before)
        return {"position": position, "eta_seconds": self._eta(job, position, at_once)}

    def _others_before(self, job: Queued, mine: Sequence[Crowd], before: int) -> int:
        """Starts of other tenants until this one has had its own before, and one more."""
        spent = (before + 1) * self._mean_seconds(mine) / self._weights.get(job.tenant_id, 1)
        head = _head(mine) if before else (RANKS[job.priority], job.id.hex)
        others: dict[UUID, list[Crowd]] = {}
        for crowd in self._crowds:
            if crowd.name.tenant_id != job.tenant_id:
                others.setdefault(crowd.name.tenant_id, []).append(crowd)
        return sum(self._starts(crowds, spent, head) for crowds in others.values())

    def _starts(self, crowds: Sequence[Crowd], spent: float, head: tuple[int, str]) -> int:
        turns = spent * self._weights.get(crowds[0].name.tenant_id, 1) / self._mean_seconds(crowds)
        had = math.floor(turns + _NEARLY) if _head(crowds) < head else math.ceil(turns - _NEARLY) - 1
        return max(0, min(had, sum(crowd.count for crowd in crowds)))

    def _mean_seconds(self, crowds: Sequence[Crowd]) -> float:
        jobs = sum(crowd.count for crowd in crowds)
        total = sum(crowd.count * self._seconds.get(crowd.name.model, self._unknown) for crowd in crowds)
        return total / jobs if jobs else self._unknown

    @property
    def _unknown(self) -> float:
        return self._usual or UNKNOWN_SECONDS

    def _eta(self, job: Queued, position: int, at_once: int | None) -> int | None:
        if self._usual is None:
            return None
        if self._rate is None:
            self._rate = self._measured(job)
        if self._rate:
            return math.ceil((position - 1) / self._rate)
        turns = (position - 1) // (at_once or self._capacity_for(job) or position)
        return math.ceil(turns * self._usual)

    def _capacity_for(self, job: Queued) -> int | None:
        if job.provider_id not in self._capacities:
            self._capacities[job.provider_id] = _capacity(job)
        return self._capacities[job.provider_id]

    def _measured(self, job: Queued) -> float:
        """Starts per second, where something waited all the time that it is measured over; else 0."""
        since = min((crowd.oldest for crowd in self._crowds), default=job.id.hex)
        if _age_seconds(since, job.id) < pace.SPANS * pace.SPAN_SECONDS:
            return 0.0
        return pace.per_second(self.endpoint)


def _head(crowds: Iterable[Crowd]) -> tuple[int, str]:
    """What decides between two whose turn it is: the better priority, then the older."""
    return min((RANKS[crowd.name.priority], crowd.oldest) for crowd in crowds)


def _age_seconds(oldest: str, job_id: UUID) -> float:
    """How much older one id is than another: both begin with their time in milliseconds."""
    return (int(job_id.hex[:12], 16) - int(oldest[:12], 16)) / 1000


def _same_line(job: Job) -> Any:
    """Of its tenant and priority at its endpoint, whatever the model: they go by age."""
    jobs = Job.objects.for_tenant(job.tenant_id).filter(state=Job.State.QUEUED, endpoint=job.endpoint)
    return jobs.filter(priority=job.priority)


def _by_counting(jobs: Sequence[Job]) -> dict[UUID, int]:
    return {job.pk: _same_line(job).filter(pk__lt=job.pk).count() for job in jobs}


def _by_listing(jobs: Sequence[Job]) -> dict[UUID, int]:
    one_of_each = {(job.tenant_id, job.endpoint, job.priority): job for job in jobs}
    found: dict[UUID, int] = {}
    for job in one_of_each.values():
        ids = _same_line(job).order_by("pk").values_list("pk", flat=True)
        found.update({job_id: number for number, job_id in enumerate(ids)})
    return found


def _capacity(job: Queued) -> int | None:
    """How many jobs like this run at once: the box's figure binds, and the provider's own."""
    provider = Provider.objects.for_tenant(job.tenant_id).filter(pk=job.provider_id).only("settings", "kind").first()
    own = None
    if provider is not None:
        own = {**KINDS[provider.kind].default_settings(), **provider.settings}["max_concurrency"]
    figures = (own, capacity_of(job.endpoint, own))
    return min((figure for figure in figures if figure is not None), default=None)


def overview(tenant_id: UUID) -> dict[str, Any]:
    """What of a tenant waits and runs, and where."""
    jobs = Job.objects.for_tenant(tenant_id)
    open_ones = jobs.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING])
    by_priority = dict(open_ones.filter(state="queued").values_list("priority").annotate(Count("pk")))
    counts = dict(open_ones.values_list("state").annotate(Count("pk")))
    oldest = open_ones.filter(state="queued").aggregate(Min("created_at"))["created_at__min"]
    return {
        "queued": counts.get("queued", 0),
        "running": counts.get("running", 0),
        "by_priority": {priority: by_priority.get(priority, 0) for priority in RANKS},
        "oldest_queued_at": oldest,
        "providers": _by_provider(tenant_id),
    }


def _by_provider(tenant_id: UUID) -> list[dict[str, Any]]:
    rows = (
        Job.objects.for_tenant(tenant_id)
        .filter(state__in=[Job.State.QUEUED, Job.State.RUNNING])
        .values("provider_id", "state")
        .annotate(jobs=Count("pk"))
    )
    found: dict[UUID | None, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["provider_id"], {"queued": 0, "running": 0})[row["state"]] = row["jobs"]
    ends = _ends_of_lines(tenant_id, found)
    return [
        {"provider": str(provider_id) if provider_id else None, **counts, **ends[provider_id]}
        for provider_id, counts in found.items()
    ]


def _ends_of_lines(tenant_id: UUID, providers: Iterable[UUID | None]) -> dict[UUID | None, Mapping[str, Place | None]]:
    """Where the tenant's next job of each provider stands, and its last one."""
    firsts: dict[UUID | None, tuple[Job | None, Job | None]] = {}
    for provider_id in providers:
        queued = Job.objects.for_tenant(tenant_id).filter(state=Job.State.QUEUED, provider_id=provider_id)
        queued = queued.defer("input", "result")
        ordered = [queued.filter(priority=priority) for priority in RANKS if queued.filter(priority=priority).exists()]
        next_one = ordered[0].order_by("pk").first() if ordered else None
        last_one = ordered[-1].order_by("-pk").first() if ordered else None
        firsts[provider_id] = next_one, last_one
    places = places_of(list({job.pk: job for pair in firsts.values() for job in pair if job is not None}.values()))
    return {
        provider_id: {"next": _of(places, next_one), "last": _of(places, last_one)}
        for provider_id, (next_one, last_one) in firsts.items()
    }


def _of(places: Mapping[UUID, Place], job: Job | None) -> Place | None:
    return places.get(job.pk) if job is not None else None
