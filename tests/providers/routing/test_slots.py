"""Who may have a request in flight at an endpoint, and who is next."""

import asyncio
import socket
from contextlib import asynccontextmanager
from functools import cache
from uuid import UUID

import pytest

from providers import pubsub, slot_desk, slots
from providers.errors import LimitReached
from providers.redis import async_redis, close_async, key
from providers.slot_desk import Desk
from providers.slot_ledger import LEASE_SECONDS
from providers.slots import Place, take, try_take
from tests.waiting import wait_until

ACME = UUID(int=1)
GLOBEX = UUID(int=2)


@pytest.fixture
async def redis(settings, redis_url):
    settings.REDIS_URL = redis_url
    settings.REDIS_PREFIX = "slots-test"
    await async_redis().flushdb()
    yield async_redis()
    await close_async()


@pytest.fixture
def kept_long(monkeypatch):
    """A slot is kept until somebody wants it, and not for a moment only."""
    for figure in ("KEEP_SECONDS", "HANDED_ON_SECONDS", "RENEW_SECONDS"):
        monkeypatch.setattr(slot_desk, figure, 600.0)


@pytest.fixture
async def hearing(redis):
    pubsub.listen()
    await wait_until(pubsub.is_listening)
    yield
    await pubsub.stop()


@cache
def box(capacity, *, tenant=ACME, own="", own_limit=0):
    return Place("10.0.0.7:8080", capacity, tenant, own, own_limit)


@asynccontextmanager
async def waiting(place, holder, **options):
    task = asyncio.create_task(take(place, holder=holder, wait_seconds=options.pop("wait_seconds", 60), **options))
    async with asyncio.timeout(60):
        while not await async_redis().hexists(key("slots:10.0.0.7:8080:cards"), f"{slots.desk().process}/{holder}"):
            await asyncio.sleep(0.001)
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_endpoint_without_a_capacity_needs_no_slot(redis):
    slot = await take(box(None), holder="a", wait_seconds=0)

    assert slot.waited_ms == 0
    assert await redis.dbsize() == 0


async def test_a_free_slot_is_taken_at_once(redis):
    slot = await take(box(1), holder="a", wait_seconds=1)

    assert await redis.zcard(key("slots:10.0.0.7:8080")) == 1
    slot.release()


async def test_no_more_than_the_capacity_are_held(redis):
    await take(box(2), holder="a", wait_seconds=1)
    await take(box(2), holder="b", wait_seconds=1)

    assert await try_take(box(2), holder="c") is None


async def test_a_freed_slot_goes_to_who_came_first(redis):
    held = await take(box(1), holder="first", wait_seconds=1)
    order = []

    async def wait_as(name):
        slot = await take(box(1), holder=name, wait_seconds=60)
        order.append(name)
        slot.release()

    async with asyncio.TaskGroup() as group:
        for name in ("second", "third", "fourth"):
            group.create_task(wait_as(name))
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        held.release()

    assert order == ["second", "third", "fourth"]


async def test_a_newcomer_does_not_pass_those_who_wait(redis):
    held = await take(box(1), holder="first", wait_seconds=1)
    async with waiting(box(1), "second") as second:
        held.release()
        assert await try_take(box(1), holder="third") is None
        (await second).release()


async def test_waiting_ends_after_its_time_with_an_estimate(redis):
    await take(box(1), holder="a", wait_seconds=1)

    with pytest.raises(LimitReached) as refused:
        await take(box(1), holder="b", wait_seconds=0.05)

    assert refused.value.code == "queue_full"
    assert refused.value.retry_after_seconds >= 1


async def test_so_many_of_a_tenant_may_wait_and_no_more(redis):
    await take(box(1), holder="a", wait_seconds=1)
    async with waiting(box(1), "b", may_wait=1):
        with pytest.raises(LimitReached):
            await take(box(1), holder="c", wait_seconds=5, may_wait=1)


async def test_one_tenants_line_does_not_keep_another_from_waiting(redis):
    await take(box(1), holder="a", wait_seconds=1)
    async with waiting(box(1), "b", may_wait=1), waiting(box(1, tenant=GLOBEX), "c", may_wait=1) as theirs:
        assert not theirs.done()


async def test_who_leaves_the_line_holds_nothing(redis):
    held = await take(box(1), holder="a", wait_seconds=1)
    async with waiting(box(1), "b") as leaving:
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
    held.release()

    taken = await take(box(1), holder="c", wait_seconds=60)

    assert taken.waited_ms == 0


async def test_a_providers_own_figure_binds_beside_the_boxs(redis):
    await take(box(4, own="p1", own_limit=1), holder="a", wait_seconds=1)

    assert await try_take(box(4, own="p1", own_limit=1), holder="b") is None
    assert await try_take(box(4, own="p2", own_limit=1), holder="c") is not None


async def test_who_waits_for_its_own_provider_lets_others_pass(redis):
    await take(box(4, own="p1", own_limit=1), holder="a", wait_seconds=1)
    async with waiting(box(4, own="p1", own_limit=1), "b"):
        other = await take(box(4, own="p2", own_limit=1), holder="c", wait_seconds=1)

        assert other.waited_ms == 0


async def test_two_processes_share_one_capacity(redis):
    theirs = Desk()
    await take(box(1), holder="a", wait_seconds=1)
    claim = slots._claim(theirs, box(1), "b", 10)
    waiting_there = asyncio.create_task(theirs.take(claim, 60))
    while not await redis.hlen(key("slots:10.0.0.7:8080:cards")):
        await asyncio.sleep(0.001)

    assert not waiting_there.done()

    slots.desk().release(slots._claim(slots.desk(), box(1), "a", 10))
    assert (await waiting_there)[0] is claim


async def test_a_slot_that_nobody_waits_for_is_kept_for_the_next_call(redis, hearing, kept_long):
    (await take(box(1), holder="a", wait_seconds=1)).release()
    asked = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]

    slot = await take(box(1), holder="b", wait_seconds=1)

    assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] == asked
    slot.release()


async def test_a_kept_slot_goes_at_once_to_who_waits_for_it(redis, hearing, kept_long):
    (await take(box(1), holder="a", wait_seconds=1)).release()
    theirs = Desk()

    _, waited_seconds = await theirs.take(slots._claim(theirs, box(1, tenant=GLOBEX), "b", 10), 60)

    assert waited_seconds < LEASE_SECONDS - 2  # it was given back; nobody waited until its lease lapsed


async def test_a_kept_slot_is_given_back_when_no_call_comes(redis, hearing):
    (await take(box(1), holder="a", wait_seconds=1)).release()

    await wait_until(lambda: not slots.desk()._kept)
    await slots.close()

    assert await redis.zcard(key("slots:10.0.0.7:8080")) == 0


async def test_while_somebody_waits_nothing_is_kept(redis, hearing):
    held = await take(box(1), holder="a", wait_seconds=1)
    async with waiting(box(1), "b") as theirs:
        held.release()
        (await theirs).release()
    await slots.close()

    assert await redis.zcard(key("slots:10.0.0.7:8080")) == 0


async def test_the_slots_of_a_gone_process_lapse(redis):
    await redis.zadd(key("slots:10.0.0.7:8080"), {"elsewhere/77/abc/job": 1})

    assert await try_take(box(1), holder="a") is not None


async def test_a_starting_worker_frees_what_a_gone_process_of_its_host_held(redis):
    host = socket.gethostname()
    await take(box(3), holder="mine", wait_seconds=1)
    far = 10**15
    await redis.zadd(key("slots:10.0.0.7:8080"), {f"{host}/4194999/abc/job": far, "other-host/4194999/abc/job": far})

    assert await slots.free_gone_processes() == 1
    assert await redis.zcard(key("slots:10.0.0.7:8080")) == 2


async def test_without_redis_a_process_keeps_to_its_share(settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock"
    settings.SLOTS_WITHOUT_REDIS_PERCENT = 50
    first = await take(box(4), holder="a", wait_seconds=1)
    await take(box(4), holder="b", wait_seconds=1)

    assert await try_take(box(4), holder="c") is None

    third = asyncio.create_task(take(box(4), holder="d", wait_seconds=60))
    await asyncio.sleep(0)
    first.release()
    assert (await third).waited_ms < 30_000
