"""How limits are counted: all of a call's together, streams as leases, and by share while Redis is down."""

import asyncio
import time
from uuid import UUID, uuid4

import pytest

from providers import limits
from providers.limits import counts
from providers.limits import desk as limits_desk
from providers.limits.admission import duration
from providers.redis import async_redis, close_async, key
from tenants.rate_limits import Bound, RateLimits

ACME = UUID(int=1)


@pytest.fixture
async def redis(settings, redis_url):
    settings.REDIS_URL = redis_url
    settings.REDIS_PREFIX = f"limits-test-{uuid4().hex}"
    yield async_redis()
    await limits.close()
    await close_async()


@pytest.fixture
async def no_redis(settings, tmp_path, monkeypatch):
    """Redis is down, and once found to be is not asked again meanwhile."""
    monkeypatch.setattr(limits_desk, "WITHOUT_LEDGER_SECONDS", 600.0)
    settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock"
    yield
    await close_async()


@pytest.fixture
def no_timers(monkeypatch):
    """Nothing is given back, told or asked again because time passes."""
    monkeypatch.setattr(limits_desk, "SPARE_SECONDS", 600.0)
    monkeypatch.setattr(limits_desk, "RENEW_SECONDS", 600.0)
    monkeypatch.setattr(counts, "MOST_CLOSED_SECONDS", 600.0)


def bound(api_key_id=None, **figures):
    return Bound(ACME, api_key_id, RateLimits(**figures))


async def how_many(*bounds, tries=100, **asked):
    """How many of so many calls are let in."""
    admitted = 0
    for _ in range(tries):
        try:
            await limits.admit(bounds, **asked)
            admitted += 1
        except limits.RateLimited:
            pass
    return admitted


async def calls_of_scripts():
    facts = await async_redis().info("commandstats")
    return sum(fact["calls"] for name, fact in facts.items() if name.startswith("cmdstat_eval"))


async def test_all_limits_of_a_call_are_one_call_of_redis_and_no_limit_is_none(redis, no_timers):
    await limits.admit([bound(requests_per_minute=5)])
    before = await calls_of_scripts()

    key_bound = bound(uuid4(), requests_per_minute=50, tokens_per_minute=500, concurrent_streams=2)
    await limits.admit([key_bound, bound(requests_per_minute=50, tokens_per_minute=500)], tokens=20, is_stream=True)
    after_one = await calls_of_scripts()
    assert await limits.admit([]) is limits.OPEN

    assert (after_one - before, await calls_of_scripts() - after_one) == (1, 0)


async def test_calls_that_come_together_are_counted_together(redis, no_timers):
    await limits.admit([bound(requests_per_minute=1000)])
    before = await calls_of_scripts()

    await asyncio.gather(*(limits.admit([bound(requests_per_minute=1000)]) for _ in range(64)))

    assert await calls_of_scripts() - before <= 2


async def test_a_high_limit_is_asked_for_in_batches_and_what_is_not_used_goes_back(redis, no_timers):
    high = bound(requests_per_minute=100_000)
    await limits.admit([high])
    before = await calls_of_scripts()

    assert await how_many(high, tries=99) == 99
    assert await calls_of_scripts() == before

    await limits.close()
    stored = await redis.get(key("limits", high.name, "requests"))
    clock = await redis.time()
    if stored is None:  # a hundred calls come back within 60 ms
        return
    used = (float(stored) - (clock[0] - 1_700_000_000) * 1e6 - clock[1]) / 60e6 * 100_000
    assert used <= 100


async def test_what_is_refused_is_refused_without_asking_again(redis, no_timers):
    low = bound(requests_per_minute=2)
    await how_many(low, tries=3)
    before = await calls_of_scripts()

    assert await how_many(low, tries=50) == 0
    assert await calls_of_scripts() - before <= 2


async def test_a_call_that_one_limit_refuses_counts_in_no_other(redis):
    few, many = bound(uuid4(), requests_per_minute=1), bound(requests_per_minute=3, tokens_per_minute=100)

    assert await how_many(few, many, tries=9, tokens=1) == 1
    assert await how_many(many, tries=20, tokens=1) == 2  # the next one comes back after 20 s


async def test_a_call_for_more_than_a_minutes_tokens_goes_when_none_are_used(redis):
    small = bound(tokens_per_minute=100)

    assert await how_many(small, tries=3, tokens=5000) == 1


async def test_a_changed_limit_keeps_the_share_that_is_used(redis):
    began = time.monotonic()
    assert await how_many(bound(requests_per_minute=10), tries=5) == 5

    left = await how_many(bound(requests_per_minute=1000), tries=1000)

    come_back = (time.monotonic() - began) * 1000 / 60
    assert 495 <= left <= 501 + come_back


async def test_streams_of_a_process_that_died_make_room_when_their_lease_ends(redis):
    one = bound(concurrent_streams=2)
    gone = key("limits", one.name, "streams")
    clock = await redis.time()
    await redis.zadd(gone, {"of/a/dead/process": clock[0] * 1000 - 1, "of/a/living/one": clock[0] * 1000 + 60_000})

    assert await how_many(one, tries=5, is_stream=True) == 1


@pytest.mark.long
async def test_a_stream_is_renewed_while_it_runs(redis):
    one = bound(concurrent_streams=1)
    await limits.admit([one], is_stream=True)
    await redis.delete(key("limits", one.name, "streams"))

    async with asyncio.timeout(15):
        while not await redis.zcard(key("limits", one.name, "streams")):
            await asyncio.sleep(0.1)


async def test_a_stream_that_ends_twice_frees_one_place(redis):
    one = bound(concurrent_streams=2)
    first, _ = [await limits.admit([one], is_stream=True) for _ in range(2)]

    first.end(0)
    first.end(0)

    assert await how_many(one, tries=3, is_stream=True) == 1


async def test_while_redis_is_down_each_process_keeps_to_its_share(no_redis, settings):
    settings.LIMITS_WITHOUT_REDIS_PERCENT = 30

    assert await how_many(bound(requests_per_minute=10), tries=20) == 3
    assert await how_many(bound(uuid4(), requests_per_minute=1), tries=20) == 1
    assert await how_many(bound(uuid4(), tokens_per_minute=1000), tries=20, tokens=100) == 3
    assert await how_many(bound(uuid4(), concurrent_streams=10), tries=20, is_stream=True) == 3


async def test_a_stream_that_ends_while_redis_is_down_makes_room(no_redis):
    one = bound(concurrent_streams=1)

    for _ in range(3):
        (await limits.admit([one], is_stream=True)).end(0)

    assert await how_many(one, tries=3, is_stream=True) == 1


async def test_who_used_more_than_was_guessed_while_redis_is_down_waits_longer(no_redis):
    one = bound(tokens_per_minute=1000)
    (await limits.admit([one], tokens=1)).end(400)

    assert await how_many(one, tries=3, tokens=200) == 0


async def test_a_refusal_says_when_the_call_will_pass(redis):
    await how_many(bound(requests_per_minute=3), tries=3)

    with pytest.raises(limits.RateLimited) as refused:
        await limits.admit([bound(requests_per_minute=3)])

    assert 0 < refused.value.retry_after_seconds <= 20.0
    assert refused.value.code == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0ms"), (0.0165, "17ms"), (1, "1s"), (1.5, "1.5s"), (59.9999, "1m0s"), (360, "6m0s"), (3661.25, "1h1m1.25s")],
)
def test_times_are_written_as_openai_does(seconds, shown):
    assert duration(seconds) == shown
