"""Claims while Redis is down: live leases, counted in the database, stand in for slots.

Jobs keep to the part of a capacity that calls of `/v1` leave while each web process keeps to its share. One worker at a
time counts and claims, so that two do not take the same room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from providers.job_slots import Room, Suspicion
from providers.jobs import sql
from providers.jobs.claims import Claimed
from providers.jobs.claims import claim as claim_lines
from providers.jobs.line_up import Known
from providers.slots import Place
from providers.turns import RANKS

LOCK_NUMBER: Final = 0x6D6F6479  # of PostgreSQL's advisory lock; SQLite has one writer at a time

_LIVE: Final = """
SELECT endpoint, provider_id, COUNT(*) FROM providers_job
WHERE state = 'running' AND lease_until > {now} GROUP BY endpoint, provider_id
"""


def claim(waiting: Sequence[Known], room: Room, *, owner: str) -> list[Claimed]:
    """Claim what fits. In a database thread."""
    with transaction.atomic():
        _one_at_a_time()
        return claim_lines(_choice(waiting, room, _live()), owner=owner)


def _one_at_a_time() -> None:
    if sql.is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_NUMBER])


def _live() -> Counter[str]:
    """Running jobs at each endpoint, and of each provider."""
    found: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(_LIVE.format(now=sql.now()), [])
        for endpoint, provider_id, jobs in sql.rows(cursor):
            provider = f"provider:{sql.optional_uuid_of(provider_id)}"
            found.update({endpoint: jobs} if endpoint == provider else {endpoint: jobs, provider: jobs})
    return found


def _choice(waiting: Sequence[Known], room: Room, live: Counter[str]) -> dict[str, int]:
    """Line after line, one job of each in turn, as far as the figures allow."""
    chosen: Counter[str] = Counter()
    left = {suspicion: room.of(suspicion) for suspicion in Suspicion}
    for known in _in_turn(waiting):
        line, place = known.line, known.place
        if left[line.suspicion] > 0 and (place is None or _fits(place, live)):
            chosen[line.name] += 1
            left[line.suspicion] -= 1
            live.update(_counted(place))
    return dict(chosen)


def _in_turn(waiting: Iterable[Known]) -> Iterator[Known]:
    ordered = sorted(waiting, key=lambda known: (RANKS[known.line.priority], -known.line.waited_seconds))
    for number in range(max((known.left for known in ordered), default=0)):
        yield from (known for known in ordered if number < known.left)


def _fits(place: Place, live: Counter[str]) -> bool:
    capacity = place.capacity or 0
    for_calls = capacity * settings.SLOTS_WITHOUT_REDIS_PERCENT // 100
    is_own_free = not place.own or live[f"provider:{place.own}"] < place.own_limit
    return is_own_free and live[place.endpoint] < max(1, capacity - for_calls)


def _counted(place: Place | None) -> list[str]:
    if place is None:
        return []
    return [place.endpoint, f"provider:{place.own}"] if place.own else [place.endpoint]
