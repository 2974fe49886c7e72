"""Carry out a run on the worker's loop: claim it, take the steps one by one, write each finding as it ends.

No transaction spans the network. The claim is renewed while a step is slow (a cold model takes minutes); when it is
lost, because the run was cancelled or another worker took over, the work stops and nothing more is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from django.conf import settings
from django.db import DatabaseError, OperationalError

from providers import routing, worker_loop
from providers.credentials import current_credential
from providers.errors import LostClaim, ProviderError
from providers.kinds import KINDS
from providers.models import ModelEntry, Provider, ValidationRun
from providers.upstream import client
from providers.upstream.target import Target
from providers.validation import claims, verdict, wakes
from providers.validation.claims import Claim
from providers.validation.runs import form_context
from providers.validation.steps import Finding, Outcome, ToProbe, run_steps
from providers.validation.verdict import Ending
from tenants.in_db import in_db

log = structlog.get_logger(__name__)

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@dataclass(frozen=True)
class Work:
    """A claimed run, opened."""

    target: Target
    level: str
    models: Sequence[ToProbe]  # for level infer; none: one that is found per type


def execute(run_id: UUID) -> Future[None]:
    """Have the worker's loop carry out this run, if nobody else does. The future ends with it."""
    return worker_loop.start(_execute(run_id), name=f"validation {run_id}")


async def _execute(run_id: UUID) -> None:
    async with _turn():
        held = await in_db(claims.claim, run_id)
        if held is not None:
            await _run(held)


def _turn() -> asyncio.Semaphore:
    """At most VALIDATIONS_AT_ONCE runs of one process hold a claim; the others stay queued for any worker."""
    loop = asyncio.get_running_loop()
    if loop not in _turns:
        _turns[loop] = asyncio.Semaphore(settings.VALIDATIONS_AT_ONCE)
    return _turns[loop]


async def _run(held: Claim) -> None:
    try:
        ending = await _while_held(held, _find_out(held))
        await in_db(verdict.conclude, held, ending)
        await wakes.wake(held.run_id)
    except LostClaim:
        log.info("validation_claim_lost", run_id=str(held.run_id))
    except asyncio.CancelledError:
        await in_db(claims.release, held)
        raise
    except DatabaseError:
        raise  # nothing can be written now: the lease lapses, and the sweep queues the run again
    except Exception:  # the outermost loop of a run: the row ends in an honest state, the log has the rest
        with suppress(LostClaim):
            await in_db(verdict.conclude, held, Ending([], verdict.told_by_us("internal_error")))
        raise


async def _while_held(held: Claim, work: Coroutine[Any, Any, Ending]) -> Ending:
    """What `work` gives, unless the claim is lost first: then `work` is cut and LostClaim raised."""
    working, beating = asyncio.create_task(work), asyncio.create_task(_beat(held))
    try:
        await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else await beating
    finally:
        for task in (working, beating):
            task.cancel()
        await asyncio.gather(working, beating, return_exceptions=True)


async def _beat(held: Claim) -> NoReturn:
    while True:
        await asyncio.sleep(claims.BEAT_SECONDS)
        with suppress(OperationalError):  # the lease has two more beats in it
            await in_db(claims.renew, held)


async def _find_out(held: Claim) -> Ending:
    try:
        work = await in_db(_open, held)
    except ProviderError as error:
        return Ending([], verdict.told_by_us(error.code, error.message))
    steps: list[dict[str, Any]] = []
    async with aclosing(_events(work)) as events:
        async for event in events:
            if isinstance(event, Outcome):
                return _ending(steps, event)
            steps.append(event.as_json())
            await in_db(claims.write_steps, held, steps)
            await wakes.wake(held.run_id)
    raise AssertionError("run_steps always ends with an outcome")


def _events(work: Work) -> AsyncGenerator[Finding | Outcome, None]:
    events = run_steps(work.target, KINDS[work.target.kind], work.level, work.models, client.current())
    assert isinstance(events, AsyncGenerator)
    return events


def _ending(steps: list[dict[str, Any]], outcome: Outcome) -> Ending:
    diagnosis = None if outcome.diagnosis is None else outcome.diagnosis.as_json()
    return Ending(steps, diagnosis, outcome.server, outcome.found, outcome.probed)


def _open(held: Claim) -> Work:
    """What is to be checked, read and opened. Raises SecretUnreadable, or LostClaim when it is gone."""
    run = claims.rows(held).select_related("provider", "credential").first()
    if run is None:
        raise LostClaim(str(held.run_id))
    if run.provider is None:
        return Work(routing.unsaved_target(run, form_context(run)), run.level, _named_in_form(run))
    credential = run.credential or current_credential(run.provider)
    target = routing.provider_target(run.provider, credential=credential)
    return Work(target, run.level, _entries(run, run.provider))


def _entries(run: ValidationRun, provider: Provider) -> list[ToProbe]:
    """The named entries, or the first enabled one of each type."""
    rows = ModelEntry.objects.for_tenant(run.tenant_id).filter(provider_id=provider.id).order_by("id")
    if run.models_to_infer is not None:
        chosen = list(rows.filter(name__in=run.models_to_infer))
    else:
        first_of_type: dict[str, ModelEntry] = {}
        for entry in rows.filter(enabled=True):
            first_of_type.setdefault(entry.type, entry)
        chosen = list(first_of_type.values())
    return [ToProbe(entry.upstream_name, entry.type, entry.dimensions, entry.settings) for entry in chosen]


def _named_in_form(run: ValidationRun) -> list[ToProbe]:
    """Names as the server has them; their types are what it lists."""
    return [ToProbe(name, "") for name in run.models_to_infer or []]
