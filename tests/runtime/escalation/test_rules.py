"""When a target is asked no more, and when again: the breaker by itself. Pure; times are handed in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise_runtime.escalation.breaker import FAILURES, LONGEST_SECONDS, OPEN_SECONDS, Breaker, State


def opened(at: float) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        assert breaker.admits(at)
        breaker.failed(at)
    return breaker


def test_a_breaker_opens_after_failures_in_a_row() -> None:
    breaker = Breaker()
    for outcome in (breaker.failed, breaker.failed):
        outcome(0.0)
    breaker.succeeded()
    breaker.failed(0.0)
    assert breaker.admits(0.0)
    assert not opened(0.0).admits(0.0)


def test_an_open_breaker_lets_one_probe_through_after_its_time() -> None:
    breaker = opened(100.0)
    assert not breaker.admits(100.0 + OPEN_SECONDS * 0.79)
    assert breaker.admits(100.0 + OPEN_SECONDS * 1.21)
    assert breaker.state == State.HALF_OPEN
    assert not breaker.admits(100.0 + OPEN_SECONDS * 1.21)


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_probe_decides(succeeds: bool) -> None:
    breaker = opened(0.0)
    assert breaker.admits(10.0)
    if succeeds:
        breaker.succeeded()
    else:
        breaker.failed(10.0)
    assert breaker.admits(10.0) is succeeds


def next_probe(breaker: Breaker, now: float) -> float:
    """Seconds from `now` until it would let one through."""
    waited = 0.0
    while not breaker.would_admit(now + waited):
        waited += 0.25
    return waited


def test_each_probe_that_fails_doubles_the_wait_up_to_two_minutes() -> None:
    breaker, now, waits = opened(0.0), 0.0, []
    for _ in range(8):
        waits.append(next_probe(breaker, now))
        now += waits[-1]
        assert breaker.admits(now)
        breaker.failed(now)
    for number, waited in enumerate(waits):
        usual = min(OPEN_SECONDS * 2**number, LONGEST_SECONDS)
        assert 0.8 * usual <= waited <= 1.2 * usual + 0.25


def test_a_target_that_came_back_is_given_up_on_no_sooner_and_no_longer_than_before() -> None:
    breaker, now = opened(0.0), 0.0
    for _ in range(5):
        now += next_probe(breaker, now)
        assert breaker.admits(now)
        breaker.failed(now)
    now += next_probe(breaker, now)
    assert breaker.admits(now)
    breaker.succeeded()
    for _ in range(FAILURES):
        assert breaker.admits(now)
        breaker.failed(now)
    assert next_probe(breaker, now) <= OPEN_SECONDS * 1.2 + 0.25


def test_a_probe_that_was_dropped_leaves_room_for_another() -> None:
    breaker = opened(0.0)
    assert breaker.admits(10.0)
    breaker.abandoned()
    assert breaker.admits(10.0)


def test_answers_to_old_questions_do_not_keep_a_breaker_open() -> None:
    breaker = opened(0.0)
    breaker.failed(5.9)
    assert breaker.admits(6.1)


def test_breakers_of_a_fleet_do_not_try_again_in_step() -> None:
    assert len({next_probe(opened(0.0), 0.0) for _ in range(40)}) > 1


@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from(["failed", "succeeded", "abandoned"]))))
def test_a_dead_target_gets_three_questions_and_then_one_at_a_time(steps: list[tuple[float, str]]) -> None:
    breaker, now, in_a_row = Breaker(), 0.0, 0
    for seconds, outcome in steps:
        now += seconds
        if not breaker.admits(now):
            continue
        assert in_a_row < FAILURES or breaker.state == State.HALF_OPEN
        if breaker.state == State.HALF_OPEN:
            assert not breaker.would_admit(now)
        if outcome == "failed":
            breaker.failed(now)
            in_a_row += 1
        elif outcome == "succeeded":
            breaker.succeeded()
            in_a_row = 0
        else:
            breaker.abandoned()
