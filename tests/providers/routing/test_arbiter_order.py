"""The order of the line, as the script keeps it on a real server: both planes, weights, ageing, own limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID

import pytest
import redis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from providers.slot_ledger import LEASE_SECONDS, SCRIPT, Place
from providers.turns import AGEING_SECONDS, RANKS, Head, Turns

PROCESS = "host/1/abc"


class Box:
    """One endpoint, and a process that has all the room in the world for jobs."""

    def __init__(self, url: str, capacity: int) -> None:
        self.redis = redis.Redis.from_url(url)
        self.redis.flushdb()
        self._places: dict[str, Place] = {}
        self.capacity = capacity
        self.room = "1000|1000"
        self._script = self.redis.register_script(SCRIPT)
        self.holders: dict[str, Place] = {}
        self.granted: list[str] = []  # tenants' numbers and what they started, in order
        self._numbers = count(1)

    def place(self, tenant: int, **facts: Any) -> Place:
        return Place("10.0.0.7:8080", self.capacity, UUID(int=tenant), **facts)

    def say(self, *words: str) -> list[int]:
        answers, granted = self._script(
            args=["t:", int(LEASE_SECONDS * 1000), PROCESS, self.room, *words], client=self.redis
        )
        for word in granted:
            member, _, line = word.decode().split("|", 2)
            name = line or member
            self.holders[member] = self._places[name]
            self.granted.append(name)
        return list(answers)

    def call(self, place: Place) -> str:
        """A call of a tenant comes, and waits where it must."""
        name = f"{PROCESS}/call{next(self._numbers)}-of-{place.tenant_id.int}"
        self._places[name] = place
        if self.say(f"T|{name}|{place.words}|1000|") == [1] and name not in self.granted:
            self.holders[name] = place
            self.granted.append(name)
        return name

    def jobs(self, place: Place, *, count: int, priority: str = "normal", age_ms: int = 0, more: str = "") -> str:
        """So many jobs of a tenant wait."""
        name = f"jobs-of-{place.tenant_id.int} {priority}{more}"
        self._places[name] = place
        self.say(f"J|{name}|{place.words}||{RANKS[priority]}/0/{age_ms}/{count}", f"D||{place.words}||1000")
        return name

    def release(self, member: str | None = None, *, used: str = "") -> None:
        member = member or next(iter(self.holders))
        place = self.holders.pop(member)
        self.say(f"R|{member}|{place.words}||{used}")

    def starts(self, number: int) -> list[str]:
        """What the next so many slots went to: each time the oldest holder ends."""
        before = len(self.granted)
        for _ in range(number):
            self.release()
        return self.granted[before:]

    def learn(self, **seconds: float) -> None:
        self.redis.hset("t:slots:cost", mapping=seconds)


def tenants_of(names: list[str]) -> list[int]:
    return [int(name.split("-of-")[1].split()[0]) for name in names]


@pytest.fixture
def box(redis_url: str) -> Callable[[int], Box]:
    return lambda capacity: Box(redis_url, capacity)


@pytest.fixture
def busy(box: Callable[[int], Box]) -> Box:
    """One slot, held by a tenant that asks for nothing more."""
    made = box(1)
    made.call(made.place(99))
    made.granted.clear()
    return made


def test_a_tenant_with_thousands_of_jobs_waits_its_turn_like_one_with_a_few(busy: Box):
    busy.jobs(busy.place(1), count=9_900)
    busy.jobs(busy.place(2), count=3)

    assert sorted(tenants_of(busy.starts(6))) == [1, 1, 1, 2, 2, 2]
    assert tenants_of(busy.starts(3)) == [1, 1, 1]


def test_what_waits_in_thousands_costs_as_much_as_one(busy: Box):
    busy.jobs(busy.place(1), count=1)
    bytes_of_one = busy.redis.memory_usage("t:slots:10.0.0.7:8080:jobs:" + UUID(int=1).hex)
    busy.jobs(busy.place(1), count=10_000)

    bytes_of_many = busy.redis.memory_usage("t:slots:10.0.0.7:8080:jobs:" + UUID(int=1).hex)

    assert bytes_of_many <= bytes_of_one + 16
    assert len(list(busy.redis.scan_iter("t:*"))) < 15


def test_calls_and_jobs_of_two_tenants_take_turns(busy: Box):
    busy.jobs(busy.place(1), count=10)
    for _ in range(3):
        busy.call(busy.place(2))

    names = busy.starts(6)

    assert sorted(tenants_of(names)) == [1, 1, 1, 2, 2, 2]
    assert tenants_of(names)[0] == 2  # a call is interactive


def test_within_a_tenant_calls_and_interactive_jobs_go_before_normal_and_batch(busy: Box):
    place = busy.place(1)
    for priority in ("batch", "normal", "interactive"):
        busy.jobs(place, count=1, priority=priority)
    call = busy.call(place)

    names = busy.starts(4)

    assert set(names[:2]) == {"jobs-of-1 interactive", call}
    assert names[2:] == ["jobs-of-1 normal", "jobs-of-1 batch"]


def test_a_weight_of_three_gets_three_times_the_seconds(busy: Box):
    busy.jobs(busy.place(1, weight=3), count=100)
    busy.jobs(busy.place(2), count=100)

    started = tenants_of(busy.starts(40))

    assert 28 <= started.count(1) <= 32


def test_dear_jobs_start_less_often_than_cheap_ones(busy: Box):
    busy.learn(dear=4.0, cheap=1.0)
    busy.jobs(busy.place(1, model="dear"), count=100)
    busy.jobs(busy.place(2, model="cheap"), count=100)

    started = tenants_of(busy.starts(50))

    assert 8 <= started.count(1) <= 12


def test_what_a_start_took_beyond_the_estimate_is_charged_when_it_ends(busy: Box):
    busy.learn(m1=1.0, m2=1.0)
    busy.jobs(busy.place(1, model="m1"), count=100)
    busy.jobs(busy.place(2, model="m2"), count=100)
    busy.redis.hset("t:slots:10.0.0.7:8080:round", "since", 0)  # the line is older than what ends now
    [first] = tenants_of(busy.starts(1))
    other = 3 - first

    busy.release(used="20000/1")

    assert tenants_of(busy.granted[-1:] + busy.starts(9)).count(other) == 10


def test_how_long_a_model_takes_is_learned_from_what_ends(box: Callable[[int], Box]):
    free = box(1)
    place = free.place(1, model="m")
    for _ in range(3):
        free.say(f"T|x|{place.words}|5|", f"R|x|{place.words}|5|3000/2")

    assert float(free.redis.hget("t:slots:cost", "m")) == pytest.approx(1.5, abs=0.1)


def test_a_batch_that_has_waited_long_goes_before_fresh_interactive_work_of_its_tenant(busy: Box):
    place = busy.place(1)
    busy.jobs(place, count=5, priority="batch", age_ms=int(2.5 * AGEING_SECONDS * 1000))
    busy.jobs(place, count=5, priority="interactive")

    names = [name.split()[-1] for name in busy.starts(3)]

    assert names == ["batch", "interactive", "interactive"]


def test_who_is_at_its_providers_own_figure_lets_others_pass(box: Callable[[int], Box]):
    wide = box(3)
    own = wide.place(1, own="p", own_limit=1)
    wide.jobs(own, count=10)
    wide.jobs(wide.place(2), count=10)

    assert sorted(tenants_of(wide.granted)) == [1, 2, 2]


def test_a_tenants_cap_binds_calls_and_jobs_together(box: Callable[[int], Box]):
    wide = box(4)
    capped = wide.place(1, tenant_cap=2)
    wide.call(capped)
    wide.jobs(capped, count=10)

    assert tenants_of(wide.granted) == [1, 1]

    wide.call(wide.place(2))
    wide.call(wide.place(2))
    assert len(wide.holders) == 4


def test_jobs_are_given_nothing_where_no_worker_has_room(box: Callable[[int], Box]):
    wide = box(4)
    wide.room = "1|0"
    wide.jobs(wide.place(1), count=10)
    assert len(wide.holders) == 1

    wide.room = "0|0"
    wide.call(wide.place(2))
    assert tenants_of(wide.granted) == [1, 2]


# --- The script and its model ---
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, 4)),
        st.tuples(st.just("jobs"), st.integers(0, 4), st.integers(1, 4), st.sampled_from(list(RANKS))),
        st.tuples(st.just("release")),
        st.tuples(st.just("release")),
    ),
    min_size=10,
    max_size=60,
)
FACTS = st.lists(st.tuples(st.sampled_from([1, 2, 4]), st.sampled_from([0.25, 0.5, 2.0])), min_size=5, max_size=5)


class Model:
    """What the script should do, in twenty lines of Python."""

    def __init__(self, capacity: int, facts: list[tuple[int, float]]) -> None:
        self.turns: Turns[int] = Turns()
        self.facts = facts
        self.free = capacity
        self.calls: dict[int, list[tuple[int, float, str]]] = {}
        self.jobs: dict[int, dict[str, list[Any]]] = {}
        self.granted: list[str] = []

    def heads(self) -> dict[int, tuple[Head, str]]:
        found = {}
        for who in range(len(self.facts)):
            waiting = [(rank, since, name) for rank, since, name in self.calls.get(who, [])]
            waiting += [(rank, since, name) for name, (rank, since, left) in self.jobs.get(who, {}).items() if left]
            if waiting:
                rank, since, name = min(waiting)
                found[who] = Head(self.facts[who][1], rank, since), name
        return found

    def dispatch(self) -> None:
        while self.free and (heads := self.heads()):
            who = self.turns.next_of({each: head for each, (head, _) in heads.items()})
            name = heads[who][1]
            self.turns.charge(who, self.facts[who][1])
            self.granted.append(name)
            self.free -= 1
            if "call" in name:
                self.calls[who] = [entry for entry in self.calls[who] if entry[2] != name]
            else:
                self.jobs[who][name][2] -= 1


NO_CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much, HealthCheck.too_slow]


@settings(max_examples=40, deadline=None, suppress_health_check=NO_CHECKS)
@given(events=EVENTS, facts=FACTS, capacity=st.integers(1, 3))
def test_the_script_keeps_the_order_of_its_model(
    redis_url: str, events: list[Any], facts: list[tuple[int, float]], capacity: int
):
    box, model = Box(redis_url, capacity), Model(capacity, facts)
    box.learn(**{f"m{who}": seconds for who, (_, seconds) in enumerate(facts)})
    places = [box.place(who, weight=weight, model=f"m{who}") for who, (weight, _) in enumerate(facts)]
    began = time.time()
    for number, event in enumerate(events):
        if event[0] == "release":
            if box.holders:
                model.free += 1
                model.dispatch()
                box.release()
        else:
            who = event[1]
            is_alone = not model.heads() and model.free
            if event[0] == "call":
                name = box.call(places[who])
                if is_alone:  # a free slot that nobody waits for costs nothing
                    model.granted.append(name)
                    model.free -= 1
                    continue
                model.calls.setdefault(who, []).append((0, time.time(), name))
            else:
                now = time.time()
                since = began - 20 + number * 0.1
                name = box.jobs(places[who], count=event[2], priority=event[3], age_ms=int((now - since) * 1000))
                assume(time.time() - now < 0.09)  # else the machine stood still, and Redis took them for younger ones
                model.jobs.setdefault(who, {})[name] = [RANKS[event[3]], since, event[2]]
            model.turns.join(who, facts[who][0])
            model.dispatch()
        assert box.granted == model.granted
        assert len(box.holders) <= capacity
