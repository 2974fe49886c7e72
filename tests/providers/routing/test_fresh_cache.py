"""What the database said, kept for seconds and forgotten at once: no hot path waits for it."""

import asyncio
from uuid import UUID

import pytest
from django.db import OperationalError

from providers import fresh_cache, pubsub
from providers.fresh_cache import FreshCache
from providers.redis import close_async
from tests.waiting import wait_until

ACME, GLOBEX = UUID(int=1), UUID(int=2)


class Clock:
    """Stands still until it is put forward, so that nothing lapses because the machine was busy."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(fresh_cache, "time", made)
    return made


class Database:
    """Answers `(whose, value)`, counts the questions, and can be down or slow."""

    def __init__(self):
        self.questions = 0
        self.value = "old"
        self.is_down = False
        self.open = asyncio.Event()
        self.open.set()

    async def ask(self, whose=ACME):
        self.questions += 1
        value = self.value
        await self.open.wait()
        if self.is_down:
            raise OperationalError("the database is down")
        return whose, value


@pytest.fixture
async def database():
    return Database()


@pytest.fixture
async def hearing(settings, redis_url, clock):
    settings.REDIS_URL = redis_url
    pubsub.listen()
    await wait_until(pubsub.is_listening)
    yield
    await pubsub.stop()
    await close_async()


@pytest.fixture
def cache():
    return FreshCache(tenant_of=lambda value: value[0], max_entries=3)


async def test_it_is_asked_once(cache, database, hearing):
    await cache.load("key", database.ask)

    assert cache.get("key") == (ACME, "old")
    assert database.questions == 1


async def test_all_who_ask_at_the_same_time_share_one_question(cache, database, hearing):
    answers = await asyncio.gather(*(cache.load("key", database.ask) for _ in range(20)))

    assert database.questions == 1
    assert set(answers) == {(ACME, "old")}


async def test_what_is_dropped_is_asked_for_again(cache, database, hearing):
    await cache.load("key", database.ask)

    cache.drop(ACME)

    assert cache.get("key") is None


async def test_a_drop_takes_only_its_tenants(cache, database, hearing):
    await cache.load("ours", database.ask)
    await cache.load("theirs", lambda: database.ask(GLOBEX))

    cache.drop(ACME)

    assert cache.get("theirs") == (GLOBEX, "old")


async def test_an_answer_from_before_a_drop_is_not_kept(cache, database, hearing):
    database.open.clear()
    asking = asyncio.create_task(cache.load("key", database.ask))
    await wait_until(lambda: database.questions)

    cache.drop(ACME)
    database.open.set()
    await asking

    assert cache.get("key") is None


async def test_who_asks_after_a_drop_does_not_join_a_question_from_before(cache, database, hearing):
    database.open.clear()
    before = asyncio.create_task(cache.load("key", database.ask))
    await wait_until(lambda: database.questions)
    cache.drop(ACME)
    database.value = "new"
    after = asyncio.create_task(cache.load("key", database.ask))
    await wait_until(lambda: database.questions == 2)

    database.open.set()

    assert await after == (ACME, "new")
    assert await before == (ACME, "old")


async def test_the_oldest_makes_room(cache, database, hearing):
    for key in "abcd":
        await cache.load(key, database.ask)

    assert cache.get("a") is None
    assert cache.get("d") is not None


async def test_while_the_database_is_down_what_is_known_is_served(cache, database, hearing):
    await cache.load("key", database.ask)
    cache.expire(within_seconds=0)
    database.is_down = True

    assert await cache.load("key", database.ask) == (ACME, "old")
    assert cache.get("key") == (ACME, "old")


async def test_what_is_known_outlives_an_outage_for_ten_minutes_and_no_longer(cache, database, hearing, clock):
    await cache.load("key", database.ask)
    database.is_down = True
    clock.now += fresh_cache.LIFETIME_SECONDS + 599
    assert cache.get("key") is None
    assert await cache.load("key", database.ask) == (ACME, "old")
    assert cache.get("key") == (ACME, "old")

    clock.now += 2

    assert cache.get("key") is None
    with pytest.raises(OperationalError):
        await cache.load("key", database.ask)


async def test_what_was_never_known_cannot_be_served(cache, database, hearing):
    database.is_down = True

    with pytest.raises(OperationalError):
        await cache.load("key", database.ask)


async def test_a_revocation_counts_also_while_the_database_is_down(cache, database, hearing):
    await cache.load("key", database.ask)
    database.is_down = True

    cache.drop(ACME)

    with pytest.raises(OperationalError):
        await cache.load("key", database.ask)


async def test_a_process_that_cannot_hear_keeps_nothing_for_longer_than_a_second(
    cache, database, settings, tmp_path, clock
):
    settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock"
    await cache.load("key", database.ask)
    assert cache.get("key") == (ACME, "old")

    clock.now += 1.0

    assert cache.get("key") is None
    await pubsub.stop()
