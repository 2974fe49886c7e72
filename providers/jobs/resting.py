"""Jobs whose provider or model rests stay in the queue until the rest is over: no attempt is made, none is counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.conf import settings
from django.db import connection

from providers import breakers
from providers.errors import ProviderError
from providers.jobs import sql
from providers.upstream.target import Target
from tenants.in_db import in_db

# All of the line at once: what waits for another model of the box comes to the front.
_PUT_OFF: Final = """
UPDATE providers_job SET run_after = {until}
WHERE line = %s AND state = 'queued' AND (run_after IS NULL OR run_after <= {now})
"""


async def awake(wanted: Mapping[str, int], targets: Mapping[str, Target | ProviderError]) -> dict[str, int]:
    """How many of each line may be tried now: of what is half open one, and nothing of what rests."""
    allowed: dict[str, int] = {}
    probed: set[Target] = set()
    for name, count in wanted.items():
        target = targets[name]
        if not isinstance(target, Target):
            allowed[name] = count
        elif seconds := breakers.resting_seconds(target):
            await in_db(_put_off, name, max(seconds, settings.BREAKER_FIRST_SECONDS))
        elif not breakers.is_half_open(target):
            allowed[name] = count
        elif target not in probed:
            probed.add(target)
            allowed[name] = 1
    return allowed


def _put_off(line: str, seconds: float) -> None:
    statement = _PUT_OFF.format(until=sql.after(f"{seconds:.3f}"), now=sql.now())
    with connection.cursor() as cursor:
        cursor.execute(statement, [line])
