"""F5: PostgreSQL is restarted, crashes, and has its connections reset, under a steady load of reads and writes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from providers.models import ModelEntry
from tenants.in_db import in_db
from tests.chaos.callers import Caller
from tests.chaos.scenarios.scenario import Scenario
from tests.chaos.stage import Stage
from tests.chaos.upstream import Prompt

REQUESTS_PER_SECOND = 200
CLIENTS = 64
BACK_SECONDS = 10.0
CALM_SECONDS = 12.0  # between two faults
RESETS = 10
ERRORS = frozenset({"OperationalError", "InterfaceError", "AdminShutdown", "CrashShutdown", "CannotConnectNow"})


@dataclass
class Load:
    """What was asked and answered. `troubles`: when, status and Retry-After of all that was not 2xx."""

    answers: Counter[str] = field(default_factory=Counter)
    troubles: list[tuple[float, int | None, str | None, str]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)  # model entries that were answered with 201


async def play(stage: Stage) -> None:
    postgres, proxy = stage.stack.postgres, stage.stack.database_proxy
    assert postgres is not None, "F5 needs PostgreSQL"
    assert proxy is not None, "F5 needs PostgreSQL"
    acme = await stage.tenant("acme", max_concurrency=24)
    load = Load()
    loading = asyncio.create_task(_keep_asking(stage, acme, load))
    began_at = time.time()
    await asyncio.sleep(CALM_SECONDS)
    for mode in ("fast", "immediate"):
        stage.say(f"PostgreSQL is stopped: {mode}")
        stage.note_fault(f"stop {mode}", process="postgres")
        await asyncio.to_thread(postgres.stop, mode)
        await asyncio.to_thread(postgres.start)
        await _settled(stage, load, f"restart {mode}", stage.note_fault("start", process="postgres"))
    stage.say("connections are reset")
    for _ in range(RESETS):
        at = stage.note_fault("reset all", process="postgres")
        proxy.reset_all()
        await asyncio.sleep(0.7)
    await _settled(stage, load, "connections reset", at)
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    seconds = time.time() - began_at
    stage.holds("every job ended", await stage.all_ended(240))
    await _tell(stage, load, seconds)


async def _settled(stage: Stage, load: Load, what: str, since: float) -> None:
    await asyncio.sleep(CALM_SECONDS)
    late = [at for at, *_ in load.troubles if at > since]
    stage.at_most(f"{what}: last request that failed, after", max(late, default=since) - since, BACK_SECONDS)


async def _tell(stage: Stage, load: Load, seconds: float) -> None:
    lost = await in_db(lambda: len(load.made) - ModelEntry.unscoped.filter(pk__in=map(UUID, load.made)).count())
    other = [trouble for trouble in load.troubles if trouble[1] != 503 or not trouble[2]]
    stage.figure("requests a second, of them writes", f"{load.answers.total() / seconds:.0f}, {_writes(load, seconds)}")
    stage.figure("requests that failed", len(load.troubles), "> 0", bool(load.troubles))
    stage.exactly("acknowledged model entries that are gone", lost, 0)
    stage.exactly("errors other than 503 with Retry-After", len(other), 0)
    for at, status, retry_after, what in other[:5]:
        stage.say(f"at {at:.1f}: {what} was answered {status}, Retry-After {retry_after}")


def _writes(load: Load, seconds: float) -> str:
    return f"{(load.answers['submit'] + load.answers['model']) / seconds:.0f}"


async def _keep_asking(stage: Stage, acme: Caller, load: Load) -> None:
    """As many a second as were wanted, or what the machine gives to so many clients."""
    next_at = time.monotonic()

    async def client() -> None:
        nonlocal next_at
        while True:
            next_at = max(next_at + 1 / REQUESTS_PER_SECOND, time.monotonic() - 1)
            await asyncio.sleep(next_at - time.monotonic())
            await _ask(stage, acme, load)

    async with asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(client())


async def _ask(stage: Stage, acme: Caller, load: Load) -> None:
    kind = stage.random.choices(("submit", "model", "jobs", "me"), (2, 1, 9, 8))[0]
    load.answers[kind] += 1
    if kind == "submit":
        await stage.submit(acme, Prompt(stage.nonce(), tokens=2))
        return
    name = f"m-{stage.nonce()}"
    body = {"name": name, "type": "llm", "provider": acme.provider_id, "upstream_name": "m"}
    method, url, sent = {
        "model": ("POST", f"{acme.tenant_url}/models", {"json": body}),
        "jobs": ("GET", f"{acme.jobs_url}?limit=5", {}),
        "me": ("GET", f"{acme.url}/api/v1/me", {}),
    }[kind]
    status, answer, retry_after = await acme.call(method, url, **sent)
    if status is None or status >= 300:
        stage.history.note("refused", what=kind, status=status, answer=str(answer)[:200], retry_after=retry_after)
        load.troubles.append((time.time(), status, retry_after, f"{method} {kind} {answer}"[:200]))
    elif kind == "model":
        load.made.append(answer["id"])


SCENARIO = Scenario("F5", "PostgreSQL restarted under load", play, allowed_errors=ERRORS, needs_postgres=True)
