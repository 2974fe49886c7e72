"""The steps of a validation as they end: `event: step` for each, then `event: done` with the whole run, then the end.

A reader who joins late gets all steps at once. Redis says when the row has moved; whoever cannot hear it looks at
the row every second. A run that another worker had to take over sends its steps from the beginning again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response

from providers.gateway.control_callers import caller_in_tenant
from providers.gateway.problem_responses import answering_problems
from providers.gateway.sse import EventStream
from providers.models import ValidationRun
from providers.redis import REDIS_DOWN, blocking_redis
from providers.validation.shown import has_ended, shown_run
from providers.validation.wakes import channel
from tenants.in_db import in_db
from tenants.problems import Problem

LOOK_SECONDS: Final = 1.0  # between looks at the row when nothing was heard
HEARING_SECONDS: Final = 0.5  # to begin to listen; later, the looks have to do


@answering_problems
async def provider_validation_events(request: Request) -> Response:
    """The events of a provider's run."""
    return await _stream(request, provider_id=_id(request, "provider"))


@answering_problems
async def form_validation_events(request: Request) -> Response:
    """The events of a run of a form that is not saved."""
    return await _stream(request, provider_id=None)


async def _stream(request: Request, *, provider_id: UUID | None) -> Response:
    caller = await caller_in_tenant(request, "providers:read")
    run_id = _id(request, "validation")
    run = await in_db(_find, caller.tenant_id, run_id)
    if run is None or run.provider_id != provider_id:
        raise Problem("not_found")
    async with AsyncExitStack() as held:
        moved = await held.enter_async_context(_listening(run_id))
        return EventStream(_RunReader(caller.tenant_id, run_id, moved), held.pop_all())


def _id(request: Request, name: str) -> UUID:
    try:
        return UUID(request.path_params[name])
    except ValueError:
        raise Problem("not_found") from None


def _find(tenant_id: UUID, run_id: UUID) -> ValidationRun | None:
    run: ValidationRun | None = ValidationRun.objects.for_tenant(tenant_id).filter(id=run_id).first()
    return run


class _RunReader:
    """Gives what one reader has not seen yet of a run."""

    def __init__(self, tenant_id: UUID, run_id: UUID, moved: asyncio.Event) -> None:
        self._tenant_id = tenant_id
        self._run_id = run_id
        self._moved = moved
        self._attempt = -1
        self._sent = 0
        self.is_over = False

    async def next(self, *, within_seconds: float) -> bytes:
        deadline = time.monotonic() + within_seconds
        while not (text := await self._look()) and not self.is_over and time.monotonic() < deadline:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), LOOK_SECONDS)
        return text

    async def _look(self) -> bytes:
        self._moved.clear()  # before the look: what moves during it is seen in the next one
        run = await in_db(_find, self._tenant_id, self._run_id)
        if run is None:
            self.is_over = True  # its provider was deleted
            return b""
        return b"".join(self._news(run))

    def _news(self, run: ValidationRun) -> Iterator[bytes]:
        if run.attempt != self._attempt:
            self._attempt, self._sent = run.attempt, 0
        for step in run.steps[self._sent :]:
            yield _event("step", step)
        self._sent = len(run.steps)
        if has_ended(run):
            yield _event("done", shown_run(run))
            self.is_over = True


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data, option=orjson.OPT_UTC_Z))


@asynccontextmanager
async def _listening(run_id: UUID) -> AsyncIterator[asyncio.Event]:
    """An event that is set whenever the run moves, as long as Redis can be heard."""
    moved, hears = asyncio.Event(), asyncio.Event()
    listener = asyncio.create_task(_listen(run_id, moved, hears), name="validation_listener")
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(hears.wait(), HEARING_SECONDS)
        yield moved
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def _listen(run_id: UUID, moved: asyncio.Event, hears: asyncio.Event) -> None:
    with suppress(*REDIS_DOWN):
        async with blocking_redis().pubsub() as pubsub:
            await pubsub.subscribe(channel(run_id))
            async for message in pubsub.listen():
                (hears if message["type"] == "subscribe" else moved).set()
