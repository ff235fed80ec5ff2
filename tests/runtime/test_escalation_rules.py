"""When a device asks: confidence, breaker and budget, each by itself. Pure; times are handed in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgewise.api.edgemodel import Confidence, Method
from edgewise.api.escalation import Budget
from edgewise_runtime.engines.base import Array
from edgewise_runtime.escalation.breaker import FAILURES, OPEN_SECONDS, Breaker, State
from edgewise_runtime.escalation.budget import Spending
from edgewise_runtime.escalation.confidence import confidence_of, row_confidences

LN2, LN3 = math.log(2), math.log(3)
NAN, INF = math.nan, math.inf

CONFIDENCES: dict[str, tuple[Method, str, list[object], float]] = {
    "three to one": ("SoftmaxMax", "1.0", [[LN3, 0.0]], 0.75),
    "all alike": ("SoftmaxMax", "1.0", [[0.0, 0.0, 0.0, 0.0]], 0.25),
    "without a batch dimension": ("SoftmaxMax", "1.0", [LN3, 0.0], 0.75),
    "a higher temperature is more modest": ("SoftmaxMax", "2.0", [[2 * LN3, 0.0]], 0.75),
    "huge logits do not overflow": ("SoftmaxMax", "1.0", [[1e30, -1e30]], 1.0),
    "the least sure row counts": ("SoftmaxMax", "1.0", [[50.0, 0.0], [LN3, 0.0]], 0.75),
    "the least sure place of a row counts": ("SoftmaxMax", "1.0", [[[50.0, 0.0], [LN3, 0.0]]], 0.75),
    "margin": ("Margin", "1.0", [[LN3, 0.0]], 0.5),
    "margin of a tie": ("Margin", "1.0", [[1.0, 1.0, 0.0]], 0.0),
    "entropy of certainty": ("Entropy", "1.0", [[1000.0, 0.0]], 1.0),
    "entropy of all alike": ("Entropy", "1.0", [[3.0, 3.0, 3.0]], 0.0),
    "entropy of three to one": ("Entropy", "1.0", [[LN3, 0.0]], 1 - (2 * LN2 - 0.75 * LN3) / LN2),
    "a score is taken as it is": ("Score", "1.0", [0.9], 0.9),
    "the best box of a row": ("Score", "1.0", [[0.2, 0.7, 0.1]], 0.7),
    "the row whose best box is worst": ("Score", "1.0", [[0.2, 0.7], [0.6, 0.1]], 0.6),
    "no box at all": ("Score", "1.0", [[]], 0.0),
    "no row at all": ("SoftmaxMax", "1.0", [], 0.0),
    "one class tells nothing": ("SoftmaxMax", "1.0", [[7.0]], 0.0),
    "one class has no margin": ("Margin", "1.0", [[7.0]], 0.0),
    "one class has no entropy": ("Entropy", "1.0", [[7.0]], 0.0),
    "NaN": ("SoftmaxMax", "1.0", [[NAN, 0.0]], 0.0),
    "infinity": ("Margin", "1.0", [[INF, 0.0]], 0.0),
    "minus infinity": ("Entropy", "1.0", [[-INF, 0.0]], 0.0),
    "a score that is NaN": ("Score", "1.0", [NAN], 0.0),
    "NaN in another row": ("Score", "1.0", [0.9, NAN], 0.0),
}


@pytest.mark.parametrize("case", CONFIDENCES)
def test_confidence(case: str) -> None:
    method, temperature, output, expected = CONFIDENCES[case]
    measured = confidence_of(
        np.array(output, np.float64), Confidence(output="o", method=method, temperature=temperature)
    )
    assert measured == pytest.approx(expected, abs=1e-9)


ANY_LOGITS = arrays.arrays(
    st.sampled_from([np.float16, np.float32, np.float64, np.int8]),
    arrays.array_shapes(min_dims=1, max_dims=3, min_side=0),
)


@given(ANY_LOGITS, st.sampled_from(["SoftmaxMax", "Margin", "Entropy"]), st.sampled_from(["0.5", "1.0", "3.0"]))
def test_confidence_of_any_logits_is_a_share_for_each_row(logits: Array, method: Method, temperature: str) -> None:
    rows = row_confidences(logits, Confidence(output="o", method=method, temperature=temperature))
    assert len(rows) == max(1, len(logits) if logits.ndim > 1 else 1)
    assert ((rows >= -1e-9) & (rows <= 1 + 1e-9)).all()


@given(arrays.arrays(np.float64, st.integers(2, 6), elements=st.floats(-50, 50)))
def test_a_higher_temperature_is_never_surer(logits: Array) -> None:
    cold, warm = (confidence_of(logits, Confidence(output="o", temperature=t)) for t in ("1.0", "2.0"))
    assert warm <= cold + 1e-12


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


def test_a_probe_decides() -> None:
    for succeeds in (True, False):
        breaker = opened(0.0)
        assert breaker.admits(10.0)
        if succeeds:
            breaker.succeeded()
        else:
            breaker.failed(10.0)
        assert breaker.admits(10.0) is succeeds


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
    assert len({opened(0.0)._retry_at for _ in range(20)}) > 1


DAY = 86400.0


def ask(spending: Spending, now: float = 0.0, size: int = 0, wall: float = 0.0) -> bool:
    """One request that would be escalated; whether it was."""
    spending.request()
    allowed = spending.allows(size, now, wall)
    if allowed:
        spending.asked(now)
        spending.moved(size, wall)
    return allowed


def test_without_limits_everything_may_be_asked() -> None:
    spending = Spending(Budget())
    assert all(ask(spending) for _ in range(2000))


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
    assert [ask(spending, now) for now in (0.0, 30.0, 59.0, 60.5, 61.0, 90.5)] == [True, True, False, True, False, True]


def test_bytes_are_for_a_day() -> None:
    spending = Spending(Budget(bytes_per_day="1k"))
    assert [ask(spending, size=600, wall=wall) for wall in (0.0, 1.0, DAY - 1, DAY, DAY + 1)] == [
        True, False, False, True, False,
    ]  # fmt: skip


def test_received_bytes_count_too() -> None:
    spending = Spending(Budget(bytes_per_day="1k"))
    spending.moved(900, wall=0.0)
    assert not ask(spending, size=200)
    assert ask(spending, size=100)
