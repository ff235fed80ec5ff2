"""What help may cost, and who gets it when it is not enough for all. Pure; times are handed in."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.api.escalation import Budget
from edgewise_runtime.escalation.budget import NO_ANSWER, UNKNOWN, Spending
from edgewise_runtime.escalation.threshold import EVERYTHING, NOTHING, WINDOW, RunningThreshold

DAY = 86400.0


def ask(spending: Spending, confidence: float = 0.5, now: float = 0.0, size: int = 0, wall: float = 0.0) -> bool:
    """One request that would be asked about; whether it was."""
    spending.saw(confidence, now)
    allowed = spending.allows(confidence, size, now, wall)
    if allowed:
        spending.asked(size, now, wall)
    return allowed


def test_without_limits_everything_may_be_asked() -> None:
    spending = Spending(Budget())
    assert all(ask(spending) for _ in range(2000))
    assert (spending.left(0.0, 0.0), spending.threshold(0.0, 0.0)) == ({}, EVERYTHING)


@pytest.mark.parametrize("ratio", ["0", "0.05", "0.3", "1"])
def test_the_share_holds_over_any_thousand_requests(ratio: str) -> None:
    spending = Spending(Budget(ratio=ratio))
    asked = [ask(spending) for _ in range(3000)]
    for start in range(0, 2000, 100):
        assert sum(asked[start : start + 1000]) <= float(ratio) * 1000
    assert sum(asked[2000:]) >= float(ratio) * 1000 - 1


def test_the_first_hard_request_of_a_quiet_device_may_be_asked() -> None:
    assert ask(Spending(Budget(ratio="0.05")))


def test_requests_per_minute_slide() -> None:
    spending = Spending(Budget(requests_per_minute=2))
    asked = [ask(spending, now=now) for now in (0.0, 30.0, 59.0, 60.5, 61.0, 90.5)]
    assert asked == [True, True, False, True, False, True]


def test_bytes_are_for_a_day() -> None:
    spending = Spending(Budget(bytes_per_day="1k"))
    asked = [ask(spending, size=600, wall=wall) for wall in (0.0, 1.0, DAY - 1, DAY, DAY + 1)]
    assert asked == [True, False, False, True, False]


def test_received_bytes_count_too() -> None:
    spending = Spending(Budget(bytes_per_day="1k"))
    spending.moved(900, wall=0.0)
    assert not ask(spending, size=200)
    assert ask(spending, size=100)
    assert spending.left(0.0, 0.0) == {"bytesPerDay": 0.0}


def test_a_smaller_budget_counts_what_was_spent_before() -> None:
    spending = Spending(Budget(requests_per_minute=10))
    assert all(ask(spending, now=1.0) for _ in range(5))
    spending.limit(Budget(requests_per_minute=5))
    assert not ask(spending, now=2.0)
    assert spending.left(2.0, 0.0) == {"requestsPerMinute": 0.0}


def share_of(confidences: Sequence[float], share: float) -> float:
    threshold = RunningThreshold()
    for confidence in confidences:
        threshold.saw(confidence)
    return threshold.at(share)


TENTHS = [number / 100 for number in range(100)]
THRESHOLDS: dict[str, tuple[Sequence[float], float, float]] = {
    "too little was seen to tell": (TENTHS[:19], 0.1, EVERYTHING),
    "the budget is good for all": (TENTHS, 1.0, EVERYTHING),
    "and for more than all": (TENTHS, 1.7, EVERYTHING),
    "there is no budget": (TENTHS, 0.0, NOTHING),
    "a tenth": (TENTHS, 0.1, 0.09),
    "a third": (TENTHS, 1 / 3, 0.32),
    "less than one request of all": (TENTHS, 0.001, 0.0),
    "the order does not matter": (TENTHS[::-1], 0.1, 0.09),
    "old requests are forgotten": ([0.0] * 500 + TENTHS * 10, 0.1, 0.09),
    "all alike": ([0.5] * 50, 0.1, 0.5),
    "requests without an answer come first": ([NO_ANSWER] * 10 + TENTHS[:90], 0.1, NO_ANSWER),
    "answers that nobody can judge come last": ([UNKNOWN] * 50 + TENTHS[:50], 0.1, 0.09),
}


@pytest.mark.parametrize("case", THRESHOLDS)
def test_the_threshold_is_where_the_budget_ends(case: str) -> None:
    confidences, share, expected = THRESHOLDS[case]
    assert share_of(confidences, share) == expected


CONFIDENCES = st.one_of(st.floats(0, 1), st.sampled_from([0.5, NO_ANSWER, UNKNOWN]))


@given(st.lists(CONFIDENCES, max_size=200), st.floats(0, 1.2), st.integers(1, 5))
def test_a_threshold_parts_as_many_as_were_wanted(seen: list[float], share: float, times: int) -> None:
    seen = seen * times
    threshold = share_of(seen, share)
    recent = seen[-WINDOW:]
    if threshold not in (EVERYTHING, NOTHING):
        wanted = max(1, int(share * len(recent)))
        assert sum(confidence < threshold for confidence in recent) < wanted
        assert sum(confidence <= threshold for confidence in recent) >= wanted


BUDGETS = st.builds(
    Budget,
    ratio=st.sampled_from([None, "0", "0.05", "0.3", "1"]),
    requests_per_minute=st.sampled_from([None, 0, 3, 30]),
    bytes_per_day=st.sampled_from([None, "0", "10k", "1M"]),
)
REQUESTS = st.lists(st.tuples(CONFIDENCES, st.floats(0, 10), st.integers(0, 2000)), max_size=120)


@given(BUDGETS, REQUESTS)
def test_whatever_comes_no_limit_is_passed_and_the_less_sure_are_never_passed_over(
    budget: Budget, requests: list[tuple[float, float, int]]
) -> None:
    spending, now, day, minute, asked = Spending(budget), 0.0, 0, list[float](), 0
    for number, (confidence, seconds, size) in enumerate(requests, 1):
        now += seconds
        spending.saw(confidence, now)
        allowed = spending.allows(confidence, size, now, now)
        if allowed:  # then whoever is less sure would have been, too
            assert spending.allows(confidence - 0.1, size, now, now) or confidence == NO_ANSWER
            spending.asked(size, now, now)
            day, asked = day + size, asked + 1
            minute = [*(then for then in minute if then > now - 60), now]
        assert budget.ratio is None or asked <= float(budget.ratio) * max(20, number) + 1e-9
        assert budget.requests_per_minute is None or len(minute) <= budget.requests_per_minute
        assert budget.bytes_per_day is None or day <= {"0": 0, "10k": 10_000, "1M": 1_000_000}[budget.bytes_per_day]


def test_of_those_as_sure_as_the_threshold_as_many_are_asked_about_as_fit_in() -> None:
    """A model that says 0.5 of nine answers in ten must not take the help from the tenth, of which it says less."""
    spending, asked = Spending(Budget(ratio="0.2")), {0.1: 0, 0.5: 0}
    for number in range(5000):
        confidence = 0.1 if number % 10 == 0 else 0.5
        asked[confidence] += ask(spending, confidence)
    assert asked[0.1] >= 0.95 * 500
    assert asked[0.5] == pytest.approx(0.2 * 5000 - asked[0.1], rel=0.15)


def errors_fixed(asked: np.ndarray, wrong: np.ndarray) -> float:
    return float(wrong[asked].sum() / wrong.sum())


def stream(seed: int, length: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Confidences of a device (mostly sure, with a long tail), and which of its answers are wrong: as often as a well
    calibrated model says."""
    random = np.random.default_rng(seed)
    confidences = random.beta(4, 1, length)
    return confidences, random.random(length) > confidences


BINDING: dict[str, tuple[Budget, float]] = {  # with the share of requests that it comes to, at 100 requests a second
    "a ratio": (Budget(ratio="0.1"), 0.1),
    "requests a minute": (Budget(requests_per_minute=600), 0.1),
    "bytes a day": (Budget(bytes_per_day="864M"), 0.1),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", BINDING)
def test_the_least_sure_requests_get_the_help_there_is(case: str, seed: int) -> None:
    """Against first come first served under the same budget, and against who knows the whole stream beforehand."""
    budget, share = BINDING[case]
    confidences, wrong = stream(seed)
    below = 0.85  # spec.escalation.when.confidenceBelow: half of all requests are less sure
    spending = Spending(budget)
    chosen = np.zeros(len(confidences), bool)
    for number, confidence in enumerate(confidences):
        now = number / 100
        spending.saw(confidence, now)
        if confidence < below and spending.allows(confidence, 1000, now, now):
            spending.asked(1000, now, now)
            chosen[number] = True
    settled = slice(2000, None)  # the first requests are asked about as they come
    doubtful = np.flatnonzero(confidences[settled] < below)
    first_come = doubtful[np.random.default_rng(seed).random(len(doubtful)) < share / np.mean(confidences < below)]
    best = np.argsort(confidences[settled])[: int(share * len(confidences[settled]))]
    fixed, wrong = errors_fixed(chosen[settled], wrong[settled]), wrong[settled]
    assert chosen[settled].mean() == pytest.approx(share, rel=0.15)
    assert fixed >= 1.3 * errors_fixed(first_come, wrong)
    assert fixed >= 0.9 * errors_fixed(best, wrong)


def test_requests_without_an_answer_are_helped_before_those_with_a_doubtful_one() -> None:
    """Every tenth request finds a full queue, the budget is a tenth: nobody else is asked about."""
    spending, helped = Spending(Budget(ratio="0.1")), {True: 0, False: 0}
    random = np.random.default_rng(0)
    for number in range(5000):
        overloaded = number % 10 == 0
        confidence = NO_ANSWER if overloaded else float(random.random())
        helped[overloaded] += ask(spending, confidence)
    assert helped[True] >= 0.85 * 500
    assert helped[False] <= 100


def test_what_overload_leaves_goes_to_the_least_sure() -> None:
    """Every twentieth request finds a full queue, the budget is a tenth: the other half is for the least sure."""
    spending, sure = Spending(Budget(ratio="0.1")), list[float]()
    random = np.random.default_rng(1)
    for number in range(6000):
        confidence = NO_ANSWER if number % 20 == 0 else float(random.random())
        if ask(spending, confidence) and number > 2000 and not math.isinf(confidence):
            sure.append(confidence)
    assert len(sure) == pytest.approx(200, rel=0.25)
    assert np.quantile(sure, 0.95) < 0.15
