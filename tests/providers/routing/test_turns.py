"""Whose turn it is: seconds of a slot, by weight, whatever anybody's jobs cost; better ranks first within a round."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from providers.turns import MOST_DEBT_SECONDS, Head, Turns

TENANTS = st.lists(
    st.tuples(st.integers(1, 10), st.floats(0.05, 20), st.integers(0, 2)), min_size=2, max_size=8
)  # weight, seconds of each start, rank


def joined(weights: list[float]) -> Turns[int]:
    turns: Turns[int] = Turns()
    for who, weight in enumerate(weights):
        turns.join(who, weight)
    return turns


@settings(max_examples=150, deadline=None)
@given(tenants=TENANTS, starts=st.integers(20, 200))
def test_nobody_who_waits_all_the_time_falls_behind_the_ideal_share(tenants: list[tuple[int, float, int]], starts: int):
    turns = joined([weight for weight, _, _ in tenants])
    heads = {who: Head(seconds, rank) for who, (_, seconds, rank) in enumerate(tenants)}
    had = dict.fromkeys(heads, 0.0)

    for _ in range(starts):
        who = turns.next_of(heads)
        turns.charge(who, heads[who].seconds)
        had[who] += heads[who].seconds

    shares = [had[who] / weight for who, (weight, _, _) in enumerate(tenants)]
    dearest_start = max(seconds / weight for weight, seconds, _ in tenants)
    assert max(shares) - min(shares) <= 2 * dearest_start + 1e-3


@settings(max_examples=50, deadline=None)
@given(tenants=TENANTS)
def test_a_round_lets_everybody_start_something(tenants: list[tuple[int, float, int]]):
    turns = joined([weight for weight, _, _ in tenants])
    heads = {who: Head(seconds, rank) for who, (_, seconds, rank) in enumerate(tenants)}
    most = sum(round(max(s / w for w, s, _ in tenants) * weight / seconds) + 1 for weight, seconds, _ in tenants)

    started = set()
    for _ in range(most):
        who = turns.next_of(heads)
        turns.charge(who, heads[who].seconds)
        started.add(who)

    assert started == set(heads)


def test_within_a_round_the_better_rank_goes_first_but_takes_no_more_than_its_share():
    turns = joined([1, 1])
    heads = {0: Head(1.0, rank=2, since=1), 1: Head(1.0, rank=0, since=2)}

    order = []
    for _ in range(6):
        order.append(turns.next_of(heads))
        turns.charge(order[-1], 1.0)

    assert order == [1, 0, 1, 0, 1, 0]


def test_who_was_away_has_saved_up_nothing_but_one_rounds_share():
    turns = joined([1, 1])
    for _ in range(100):
        assert turns.next_of({0: Head(1.0)}) == 0
        turns.charge(0, 1.0)
    turns.join(1)

    order = []
    for _ in range(6):
        order.append(turns.next_of({0: Head(1.0), 1: Head(1.0)}))
        turns.charge(order[-1], 1.0)

    assert sorted(order) == [0, 0, 0, 1, 1, 1]


def test_a_start_that_took_longer_than_expected_is_paid_for_and_a_ruinous_one_forgiven():
    turns = joined([1, 1])
    heads = {0: Head(1.0), 1: Head(1.0)}
    turns.charge(0, 10_000.0)

    order = []
    for _ in range(int(MOST_DEBT_SECONDS) + 10):
        order.append(turns.next_of(heads))
        turns.charge(order[-1], 1.0)

    assert MOST_DEBT_SECONDS <= order.index(0) <= MOST_DEBT_SECONDS + 2
