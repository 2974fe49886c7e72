"""The slots' ledger in Redis: what a loop says to `slots.lua`, and the names of what it says it about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import UUID

from providers.ledger_line import LedgerDown, LedgerLine
from providers.redis import async_redis, key

__all__ = ["LEASE_SECONDS", "RENEW_SECONDS", "SCRIPT", "Claim", "Ledger", "LedgerDown", "Place"]

LEASE_SECONDS = 15.0
RENEW_SECONDS = 5.0

Verb = Literal["T", "R", "K", "W", "J", "D"]
SCRIPT = Path(__file__).with_name("slots.lua").read_text()


@dataclass(frozen=True, eq=False)
class Place:
    """Where a slot is wanted, and for whom: an endpoint with its capacity (None: no limit), the tenant with its weight
    and its cap there, and the model, which tells what a start costs. At a box that several providers share, `own` is
    the provider whose own figure binds beside it. Known by identity: what is kept for it is kept beside it."""

    endpoint: str
    capacity: int | None
    tenant_id: UUID
    own: str = ""
    own_limit: int = 0
    weight: int = 1
    tenant_cap: int | None = None
    model: str = ""
    words: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        own = f"slots:own:{self.own}" if self.own else ""
        cap = "" if self.tenant_cap is None else self.tenant_cap
        whose = f"{self.tenant_id.hex}|{self.weight}|{cap}|{self.model}"
        object.__setattr__(self, "words", f"{self.endpoint}|{self.capacity}|{own}|{self.own_limit}|{whose}")


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """One holder's wish for a slot at a place.

    `member` is unique among all claims that live. `may_wait`: how many calls of the tenant may wait at the endpoint;
    None: take it now or not at all.
    """

    member: str
    place: Place
    may_wait: int | None


class Ledger:
    """One loop's. `room` says how many jobs this process may still start, "" where it runs none; `granted` hears which
    of the process's waiters hold a slot by what was just said."""

    def __init__(self, process: str, room: Callable[[], str], granted: Callable[[Sequence[bytes]], None]) -> None:
        self._process = process
        self._room = room
        self._granted = granted
        self._line: LedgerLine[str] = LedgerLine(self._say, name="slots")
        self._script = async_redis().register_script(SCRIPT)

    def ask(self, verb: Verb, claim: Claim, more: str = "") -> Awaitable[int]:
        """What the ledger says; see `slots.lua`. Raises LedgerDown."""
        return self._line.ask(_word(verb, claim, more))

    def tell(self, verb: Verb, claim: Claim, more: str = "") -> None:
        """Enter it, after all that was entered before, without waiting. If Redis is down it is lost: leases lapse."""
        self._line.tell(_word(verb, claim, more))

    async def settle(self) -> None:
        """Wait until all that was entered has been said."""
        await self._line.settle()

    async def _say(self, words: Sequence[str]) -> Sequence[int]:
        head = [key(""), str(int(LEASE_SECONDS * 1000)), self._process, self._room()]
        answers, granted = await self._script(args=[*head, *words])
        if granted:
            self._granted(granted)
        return answers  # type: ignore[no-any-return] # one number for each word


def _word(verb: Verb, claim: Claim, more: str) -> str:
    most = "" if claim.may_wait is None else claim.may_wait
    return f"{verb}|{claim.member}|{claim.place.words}|{most}|{more}"
