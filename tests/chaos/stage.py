"""What a scenario plays on: the running system, tenants made for it, the history, and its figures."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tenants.in_db import in_db
from tests.chaos import aftermath, row_log
from tests.chaos.callers import Caller, Reading
from tests.chaos.checker import TERMINAL, Evidence, findings
from tests.chaos.history import History
from tests.chaos.report import Figure, Report, Result
from tests.chaos.resources import Memory
from tests.chaos.stack import Stack
from tests.chaos.upstream import CANARY, Prompt, marker_of

CALM_SECONDS = 90.0  # in which slots and sockets come back: connections are kept for half a minute
SPARE_FILES = 64  # kept connections: a pool holds as many as were in use at once, also where the other end has gone
MOST_SLOPE = 1.0  # megabytes a minute
POLL_SECONDS = 0.25


@dataclass
class Stage:
    stack: Stack
    history: History
    result: Result
    report: Report
    random: random.Random
    is_short: bool
    session: Any
    allowed_errors: frozenset[str] = frozenset()
    tenants: dict[UUID, str] = field(default_factory=dict)
    canaries: list[str] = field(default_factory=lambda: [CANARY])
    memory: Memory = field(default_factory=Memory)
    submitted: dict[str, str] = field(default_factory=dict)  # nonce -> job

    # --- Playing ---
    def say(self, text: str) -> None:
        self.report.say(f"{self.result.scenario}: {text}")

    def size(self, full: int, short: int) -> int:
        return short if self.is_short else full

    def note_fault(self, what: str, **facts: Any) -> float:
        at = time.time()
        self.history.note("fault", at=at, what=what, **facts)
        return at

    async def tenant(self, name: str, *, direct: bool = False, port: int | None = None, **settings: Any) -> Caller:
        """A new tenant with one provider and its model `m`; `direct` at the upstream, or at a proxy's `port`."""
        stack = self.stack
        port = port or (stack.upstream.port if direct else stack.upstream_proxy.port)
        slug = f"{self.result.scenario.lower()}-{name}"
        secret = f"upstream-canary-{slug}-{self.random.getrandbits(64):016x}"
        tenant_id, provider_id, key = await in_db(_make_tenant, slug, f"http://127.0.0.1:{port}", secret, settings)
        self.tenants[tenant_id] = slug
        self.canaries += [secret, key]
        return Caller(stack.url, slug, key, provider_id, marker_of(secret), self.history, self.session)

    def nonce(self) -> str:
        return f"{self.random.getrandbits(48):012x}"

    async def submit(self, caller: Caller, prompt: Prompt | None = None, **order: Any) -> tuple[str, str | None]:
        """Nonce and job; None where it was not accepted."""
        wanted = prompt or Prompt(self.nonce())
        job = await caller.submit(wanted, **order)
        if job is not None:
            self.submitted[wanted.nonce] = job
        return wanted.nonce, job

    async def submit_many(
        self, caller: Caller, prompts: Iterable[Prompt], *, at_once: int = 8, every_seconds: float = 0.0, **order: Any
    ) -> dict[str, str]:
        """Jobs by nonce; those that were accepted."""
        room = asyncio.Semaphore(at_once)

        async def one(prompt: Prompt) -> tuple[str, str | None]:
            async with room:
                return await self.submit(caller, prompt, **order)

        tasks = []
        for prompt in prompts:
            tasks.append(asyncio.create_task(one(prompt)))
            if every_seconds:
                await asyncio.sleep(every_seconds)
        return {nonce: job for nonce, job in await asyncio.gather(*tasks) if job is not None}

    def follow(self, caller: Caller, jobs: dict[str, str]) -> list[asyncio.Task[Reading]]:
        return [asyncio.create_task(caller.follow(nonce, job)) for nonce, job in jobs.items()]

    async def until(self, condition: Callable[[], Any], seconds: float, *, what: str) -> Any:
        """The first true value; the scenario fails where there is none in time."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
            await asyncio.sleep(0.02)
        return found

    async def all_ended(self, seconds: float) -> bool:
        """Whether every job of this scenario has ended within that time."""
        deadline = time.monotonic() + seconds
        while (waiting := await in_db(_open_jobs, list(self.tenants))) and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        return not waiting

    async def states(self) -> dict[str, int]:
        found: dict[str, int] = await in_db(_states, list(self.tenants))
        return found

    # --- Telling ---
    def figure(self, name: str, value: Any, must: str = "", holds: bool = True) -> None:
        self.result.figures.append(Figure(name, value, must, holds))

    def holds(self, name: str, value: bool) -> None:
        self.figure(name, "yes" if value else "no", "yes", value)

    def at_most(self, name: str, value: float, limit: float, unit: str = "s") -> None:
        """In the short form for information: it runs beside other tests, and says nothing about time."""
        if self.is_short:
            self.figure(name, value)
        else:
            self.figure(name, value, f"≤ {limit:g} {unit}".strip(), value <= limit)

    def exactly(self, name: str, value: int, wanted: int) -> None:
        self.figure(name, value, str(wanted), value == wanted)

    def changes(self) -> list[row_log.RowChange]:
        return row_log.read()

    # --- Afterwards ---
    async def conclude(self, files_before: dict[str, int]) -> None:
        """Check the invariants, once everything had time to come to rest."""
        evidence = await in_db(self._evidence)
        self.result.findings += findings(evidence)
        self.result.findings += await in_db(lambda: [*aftermath.orphaned_leases(), *aftermath.audit_faults()])
        self.result.findings += await self._leftovers(files_before)
        self._slopes()

    def _evidence(self) -> Evidence:
        for call in self.stack.upstream.calls:
            self.history.note("call", call.nonce, at=call.started_at, line=vars(call))
        changes = row_log.read()
        for change in changes:
            self.history.note("row_change", at=change.at, line=vars(change))
        files = [path for path in self.stack.logs.iterdir() if path.is_file()]
        return Evidence(
            accepted=self.history.of("accepted"),
            streams=self.history.of("stream"),
            calls=list(self.stack.upstream.calls),
            changes=changes,
            rows=aftermath.read_rows(self.tenants),
            where_canaries_stand=aftermath.places_with(self.canaries, files, self.stack.valkey.client()),
        )

    async def _leftovers(self, files_before: dict[str, int]) -> Sequence[str]:
        found: list[str] = []
        deadline = time.monotonic() + CALM_SECONDS
        while time.monotonic() < deadline and (found := self._held(files_before)):
            await asyncio.sleep(POLL_SECONDS)
        return found

    def _held(self, files_before: dict[str, int]) -> list[str]:
        slots = aftermath.slots_held(self.stack.valkey.client())
        found = [f"I6: {slots} slots are held and nothing runs"] if slots else []
        for process in self.stack.all:
            more = process.open_files() - files_before.get(process.name, 0)
            if process.name in files_before and more > SPARE_FILES:
                found.append(f"I6: {process.name} has {more} more open files than before: {process.connections()}")
        return found

    def _slopes(self) -> None:
        for process in self.stack.all:
            slope = self.memory.slope(process)
            if slope is not None:
                self.figure(f"{process.name}: memory growth", slope, f"≤ {MOST_SLOPE:g} MB/min", slope <= MOST_SLOPE)


def seconds_p(values: Sequence[float], percent: float) -> float:
    """A percentile by rank; 0.0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


async def gathered(tasks: Sequence[asyncio.Task[Any]], seconds: float) -> list[Any]:
    """What those that end in time give; the others are cancelled."""
    done, late = await asyncio.wait(tasks, timeout=seconds) if tasks else (set(), set())
    for task in late:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return [task.result() for task in done]


def _make_tenant(slug: str, base_url: str, secret: str, settings: dict[str, Any]) -> tuple[UUID, str, str]:
    from tests.factories import make_team
    from tests.providers.rows import add_model, add_provider

    team = make_team(slug)
    provider = add_provider(team, base_url, secrets={"api_key": secret}, **settings)
    add_model(provider, "m")
    return team.id, str(provider.pk), team.key


def _open_jobs(tenants: list[UUID]) -> int:
    from providers.models import Job

    return Job.unscoped.filter(tenant_id__in=tenants).exclude(state__in=TERMINAL).count()


def _states(tenants: list[UUID]) -> dict[str, int]:
    from django.db.models import Count

    from providers.models import Job

    return dict(Job.unscoped.filter(tenant_id__in=tenants).values_list("state").annotate(Count("pk")).order_by())


def holders(changes: Sequence[row_log.RowChange]) -> dict[str, int]:
    """Which process holds which job after these changes."""
    last = {change.job: change for change in changes}
    return {job: int(change.owner.split("/")[1]) for job, change in last.items() if change.state == "running"}
