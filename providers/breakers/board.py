"""This process's breakers, and what a call has to do with them. Any loop or thread may look at them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from django.db import transaction

from providers import pubsub
from providers.breakers import news, sharing
from providers.breakers.breaker import Breaker
from providers.breakers.evidence import NOTHING, WELL, Shown, shown_by
from providers.breakers.sharing import Fault, Kind, Resting, Well
from providers.errors import ProviderError, RestsAfterFailures
from providers.redis import REDIS_DOWN, RedisError
from providers.upstream.target import Target
from providers.worker_loop import spawn

MOST_BREAKERS: Final = 10_000

_breakers: Final[dict[UUID, Breaker]] = {}  # of what has failed of late; mostly empty
_lock: Final = threading.Lock()


# --- For a call ---
def check(target: Target) -> None:
    """Raises RestsAfterFailures for a provider or model that rests. Takes no probe's place."""
    if _breakers:
        now = time.time()
        for kind, _, breaker in _known(target):
            if seconds := breaker.refuses_for(now):
                raise _refusal(kind, breaker, seconds)


def resting_seconds(target: Target) -> float:
    """How long calls to `target` are refused from now on; 0.0 where they may go."""
    now = time.time()
    return max((breaker.refuses_for(now) for _, _, breaker in _known(target)), default=0.0)


def is_half_open(target: Target) -> bool:
    """Whether only one call to `target` may go now, to see whether it is well again."""
    now = time.time()
    return any(breaker.is_half_open(now) for _, _, breaker in _known(target))


def note_first_token(target: Target) -> None:
    """An answer has begun: whoever waits for this probe need not wait for its end."""
    if _breakers:
        _note_well(target, WELL, is_whole=False)


def _refusal(kind: Kind, breaker: Breaker, seconds: float) -> RestsAfterFailures:
    who = "The model server" if kind == "provider" else "The model"
    told = f"{who} rests after {breaker.faults} failures in a row, the last of them {breaker.code}."
    return RestsAfterFailures(told, retry_after_seconds=seconds)


class Trial:
    """Around one call to `target`: what it comes to is noted. Entering raises RestsAfterFailures.

    Of a breaker that is half open, it lets one call of all processes through.
    """

    __slots__ = ("_probes", "_target")

    def __init__(self, target: Target) -> None:
        self._target = target
        self._probes: list[UUID] = []

    async def __aenter__(self) -> Self:
        if _breakers:
            try:
                check(self._target)
                await self._take_probes()
            except BaseException:
                await self._give_probes_back()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        shown = WELL if raised is None else NOTHING
        if isinstance(raised, ProviderError):
            shown = shown_by(raised)
            _note_faults(self._target, shown, raised.code)
        if _breakers:
            _note_well(self._target, shown, is_whole=True)
        if self._probes:
            await self._give_probes_back()

    async def _take_probes(self) -> None:
        now = time.time()
        for kind, id, breaker in list(_known(self._target)):
            if not breaker.is_half_open(now):
                continue
            breaker.begin_probe(now)
            if not await sharing.take_probe(id):
                breaker.leave_it_to_the_other(now)
                raise _refusal(kind, breaker, breaker.refuses_for(now))
            self._probes.append(id)

    async def _give_probes_back(self) -> None:
        probes, self._probes = self._probes, []
        for id in probes:
            if (breaker := _breakers.get(id)) is not None:
                breaker.end_probe()
            await sharing.give_probe_back(id)


# --- What calls have shown ---
def _known(target: Target) -> Iterator[tuple[Kind, UUID, Breaker]]:
    for kind, id in _subjects(target):
        if (breaker := _breakers.get(id)) is not None:
            yield kind, id, breaker


def _subjects(target: Target) -> Iterator[tuple[Kind, UUID]]:
    if target.provider_id is not None:
        yield "provider", target.provider_id
    if target.model_entry_id is not None:
        yield "model", target.model_entry_id


def _note_faults(target: Target, shown: Shown, code: str) -> None:
    for kind, id in _subjects(target):
        if getattr(shown, kind) is not False:
            continue
        with _lock:
            breaker = _breakers.get(id) or _new(id)
            has_opened = breaker.fault(code, time.time())
        if breaker.until is None and pubsub.is_listening():
            spawn(sharing.tell_fault(id, code), name="breaker_fault")
        if has_opened and breaker.until is not None:
            spawn(news.rests(target, Resting(kind, str(id), breaker.until, breaker.rests, code)), name="breaker_opened")


def _note_well(target: Target, shown: Shown, *, is_whole: bool) -> None:
    for kind, id, breaker in list(_known(target)):
        if not getattr(shown, kind):
            continue
        was_open = breaker.until is not None
        if is_whole or kind == "provider":
            _breakers.pop(id, None)
        elif was_open:
            breaker.let_in()
        if was_open:
            spawn(news.answers(target, kind, id, breaker.code), name="breaker_closed")
        elif id not in _breakers and pubsub.is_listening():
            spawn(sharing.tell_well(id), name="breaker_well")


def _new(id: UUID) -> Breaker:
    while len(_breakers) >= MOST_BREAKERS:
        _breakers.pop(next(iter(_breakers)))
    breaker = _breakers[id] = Breaker()
    return breaker


# --- What others have found ---
def close(*ids: UUID) -> None:
    """What was found to be well, or is another thing now, rests no longer, in any process. After the commit."""
    transaction.on_commit(lambda: _close(ids))


def _close(ids: Sequence[UUID]) -> None:
    for id in ids:
        _breakers.pop(id, None)
    sharing.tell_closed_from_thread(ids)


async def everywhere() -> list[Resting]:
    """All that rests in any process, or has not been tried again since. Nothing is known while Redis is down."""
    try:
        return await sharing.told()
    except (RedisError, *REDIS_DOWN):
        return []


def _heard(word: str) -> None:
    said = sharing.heard(word)
    if isinstance(said, Resting):
        _adopt(said)
    elif isinstance(said, Fault):
        with _lock:
            (_breakers.get(said.id) or _new(said.id)).hear_of_fault(said.code)
    elif isinstance(said, Well):
        if (breaker := _breakers.get(said.id)) is not None and breaker.until is None:
            _breakers.pop(said.id, None)
    elif said is not None:
        _breakers.pop(said, None)


def _adopt(resting: Resting) -> None:
    id = UUID(resting.id)
    with _lock:
        breaker = _breakers.get(id) or _new(id)
        breaker.adopt(until=resting.until, rests=resting.rests, code=resting.code, now=time.time())


def _on_change() -> None:
    """Words may have been missed."""
    if pubsub.is_listening():
        spawn(_catch_up(), name="breakers_catch_up")


async def _catch_up() -> None:
    for resting in await everywhere():
        _adopt(resting)


pubsub.hear(sharing.CHANNEL, _heard)
pubsub.on_change(_on_change)
