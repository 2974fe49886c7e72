"""One breaker: after how many faults it opens, for how long, and how it closes."""

import pytest

from providers.breakers.breaker import Breaker


@pytest.fixture
def breaker(settings):
    settings.BREAKER_FAULTS, settings.BREAKER_FIRST_SECONDS, settings.BREAKER_MOST_SECONDS = 5, 5.0, 60.0
    return Breaker()


def open_at(breaker, now):
    while not breaker.fault("backend_crashed", now):
        pass


def test_the_fifth_fault_in_a_row_opens_it(breaker):
    assert [breaker.fault("backend_crashed", 100.0) for _ in range(5)] == [False] * 4 + [True]
    assert breaker.refuses_for(100.0) > 0


def test_it_rests_5_seconds_then_twice_as_long_each_time_up_to_60(breaker):
    now, rests = 0.0, []
    for _ in range(7):
        open_at(breaker, now)
        rests.append(breaker.refuses_for(now))
        now += rests[-1]

    for rest, meant in zip(rests, (5, 10, 20, 40, 60, 60, 60), strict=True):
        assert meant * 0.9 <= rest <= meant * 1.1, "a tenth is left to chance"


def test_after_the_rest_one_fault_opens_it_again(breaker):
    open_at(breaker, 0.0)

    assert breaker.refuses_for(6.0) == 0
    assert breaker.is_half_open(6.0)
    assert breaker.fault("backend_crashed", 6.0)


def test_faults_of_calls_that_were_on_their_way_do_not_prolong_a_rest(breaker):
    open_at(breaker, 0.0)
    until = breaker.until

    for _ in range(20):
        breaker.fault("backend_crashed", 1.0)

    assert breaker.until == until


def test_while_it_is_probed_others_are_refused_but_not_for_ever(breaker):
    open_at(breaker, 0.0)
    breaker.begin_probe(6.0)

    assert breaker.refuses_for(7.0) > 0
    assert breaker.refuses_for(120.0) == 0


def test_a_first_token_lets_all_in_and_the_next_fault_opens_it_again(breaker):
    open_at(breaker, 0.0)
    breaker.let_in()
    assert breaker.refuses_for(1.0) == 0

    assert breaker.fault("backend_crashed", 1.0)
    assert breaker.refuses_for(1.0) > 8, "the second rest in a row"


def test_no_clock_of_another_process_can_close_a_model_for_long(breaker):
    breaker.adopt(until=1e12, rests=1, code="backend_crashed", now=0.0)

    assert breaker.refuses_for(0.0) <= 600


def test_what_others_tell_of_counts_but_opens_nothing_by_itself(breaker):
    for _ in range(50):
        breaker.hear_of_fault("backend_crashed")
    assert breaker.refuses_for(0.0) == 0.0

    assert breaker.fault("backend_crashed", 0.0) is True
    assert breaker.rests == 1
