"""While Redis is down jobs go on, within what the database counts as live leases and the calls' share leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from config.stack import valkey
from providers.invalidation import invalidate
from providers.job_slots import Room
from providers.jobs import claims, lines, without_ledger
from providers.jobs.line_up import Known, LineUp
from providers.models import Job
from providers.redis import key
from providers.slot_ledger import SCRIPT
from providers.slots import Place
from tests.fakes.localai import FakeLocalAI
from tests.providers.jobs.test_turns_of_tenants import (
    CHAT,
    SLOTS,
    Tenant,
    all_ended,
    box,
    most_at_once,
    tenant_of,
    working,
)
from tests.waiting import wait_for

__all__ = ["box", "working"]  # fixtures


def line_up() -> list[Known]:
    known = LineUp()
    asyncio.run(known.read())
    return known.waiting()


@pytest.fixture
def acme(box: FakeLocalAI, settings: Any) -> Tenant:
    settings.SLOTS_WITHOUT_REDIS_PERCENT = 50
    return tenant_of(box, "acme")


def test_live_leases_stand_in_for_slots(acme: Tenant):
    acme.queue(10)
    [line] = lines.waiting()
    claims.claim({line.name: 3}, owner="another.1/1/1")

    assert len(without_ledger.claim(line_up(), Room(64), owner="one")) == 1, "half of eight slots are for jobs"
    assert without_ledger.claim(line_up(), Room(64), owner="two") == []


def test_a_providers_own_figure_and_the_workers_room_bind_too(acme: Tenant, box: FakeLocalAI):
    acme.queue(10)
    assert len(without_ledger.claim(line_up(), Room(2), owner="one")) == 2

    Job.unscoped.all().delete()
    acme.provider.settings["max_concurrency"] = 1
    acme.provider.save()
    invalidate(acme.team.id)
    acme.queue(10)
    assert len(without_ledger.claim(line_up(), Room(64), owner="one")) == 1


def test_two_tenants_with_queues_both_get_something(acme: Tenant, box: FakeLocalAI):
    acme.queue(50)
    tenant_of(box, "globex").queue(50)

    claimed = without_ledger.claim(line_up(), Room(64), owner="one")

    assert len(claimed) == 4
    assert len({job.tenant_id for job in claimed}) == 2


def test_a_worker_without_redis_runs_what_is_queued_and_no_more_at_once(
    acme: Tenant, box: FakeLocalAI, settings: Any, working: Any, tmp_path: Any
):
    settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock"
    box.dial.token_delay_seconds = 0.003
    acme.queue(12)

    working()
    wait_for(all_ended, seconds=60)

    assert set(Job.unscoped.values_list("state", flat=True)) == {"succeeded"}
    assert len(box.requests(CHAT)) == 12
    assert most_at_once(box) <= 4


@pytest.fixture
def own_redis(redis_here: str, settings: Any, tmp_path: Any) -> Iterator[redis.Redis]:
    """A Valkey of this test alone, which it may fill up."""
    with valkey.running(tmp_path / "valkey") as url:
        settings.REDIS_URL = url
        yield redis.Redis.from_url(url)


def say(client: Any, place: Place, letter: str, members: list[str]) -> None:
    """As a process elsewhere says it to the ledger."""
    words = [f"{letter}|{member}|{place.words}|1000000|" for member in members]
    client.eval(SCRIPT, 0, key(""), 15_000, "elsewhere/1/1", "", *words)


def test_a_slot_that_came_just_before_redis_was_full_is_used(
    own_redis: redis.Redis, acme: Tenant, box: FakeLocalAI, settings: Any, working: Any
):
    settings.WORKER_CONCURRENCY = 1
    acme.queue(2)
    [known] = line_up()
    assert known.place is not None
    calls = [f"elsewhere/1/1/{number}" for number in range(SLOTS)]
    say(own_redis, known.place, "T", calls)
    working()
    wait_for(lambda: own_redis.keys("*:jobs:*"))  # the worker stands in line

    with own_redis.pipeline(transaction=True) as at_once:
        say(at_once, known.place, "R", calls[:1])
        at_once.config_set("maxmemory", 1)
        at_once.execute()
    wait_for(all_ended, seconds=60)

    assert set(Job.unscoped.values_list("state", flat=True)) == {"succeeded"}
