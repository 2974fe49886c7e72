"""A breaker has opened or closed: the log, the other processes and the rows hear of it, beside the call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from django.db import DatabaseError, InterfaceError

from providers.breakers import sharing, standing
from providers.breakers.sharing import Kind, Resting
from providers.upstream.target import Target
from tenants.in_db import in_db

log = structlog.get_logger(__name__)


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def _in_turn() -> asyncio.Lock:
    """One piece of news after the other: the last one told is how things are."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())


async def rests(target: Target, resting: Resting) -> None:
    seconds = round(resting.until - time.time(), 1)
    log.warning(
        f"{resting.kind}_rests", id=resting.id, code=resting.code, seconds=seconds, tenant=str(target.tenant_id)
    )
    note = standing.provider_rests if resting.kind == "provider" else standing.model_rests
    async with _in_turn():
        await sharing.tell_open(resting)
        await _write(note, target, resting.kind, resting.code)


async def answers(target: Target, kind: Kind, id: UUID, code: str) -> None:
    log.info(f"{kind}_answers_again", id=str(id), tenant=str(target.tenant_id))
    note = standing.provider_answers if kind == "provider" else standing.model_answers
    async with _in_turn():
        await sharing.tell_closed(id)
        await _write(note, target, kind, code)


async def _write(note: Callable[..., None], target: Target, kind: Kind, code: str) -> None:
    entry = [target.model_entry_id] if kind == "model" else []
    try:
        await in_db(note, target.tenant_id, target.provider_id, *entry, code)
    except (DatabaseError, InterfaceError) as fault:
        log.warning("standing_not_written", error=str(fault))
