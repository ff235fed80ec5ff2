"""How sure an answer is, for every kind of scores a model can give. docs/hybrid.md shows the same table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from edgewise.api.confidence import Confidence, Method, Task, measured_by
from edgewise.contract.scores import as_logits, row_confidences, softmax

LN2, LN3 = math.log(2), math.log(3)
NAN, INF = math.nan, math.inf
HALF_WAY = 1 / (1 + math.exp(-0.5))

CONFIDENCES: dict[str, tuple[Method, str, list[object], float]] = {
    "three to one": ("SoftmaxMax", "1.0", [[LN3, 0.0]], 0.75),
    "without a batch dimension": ("SoftmaxMax", "1.0", [LN3, 0.0], 0.75),
    "a higher temperature is more modest": ("SoftmaxMax", "2.0", [[2 * LN3, 0.0]], 0.75),
    "huge logits do not overflow": ("SoftmaxMax", "1.0", [[1e30, -1e30]], 1.0),
    "the least sure row counts": ("SoftmaxMax", "1.0", [[50.0, 0.0], [LN3, 0.0]], 0.75),
    "the least sure place of a row counts": ("SoftmaxMax", "1.0", [[[50.0, 0.0], [LN3, 0.0]]], 0.75),
    "margin": ("Margin", "1.0", [[LN3, 0.0]], 0.5),
    "margin of a tie": ("Margin", "1.0", [[1.0, 1.0, 0.0]], 0.0),
    "entropy of certainty": ("Entropy", "1.0", [[1000.0, 0.0]], 1.0),
    "entropy of three to one": ("Entropy", "1.0", [[LN3, 0.0]], 1 - (2 * LN2 - 0.75 * LN3) / LN2),
    "probabilities are what they say": ("SoftmaxMax", "1.0", [[0.75, 0.25, 0.0]], 0.75),
    "margin of probabilities": ("Margin", "1.0", [[0.75, 0.25, 0.0]], 0.5),
    "probabilities of an INT8 softmax miss 1 by its rounding": ("SoftmaxMax", "1.0", [[0.745, 0.24]], 0.745 / 0.985),
    "a temperature tempers probabilities, too": ("SoftmaxMax", "2.0", [[0.9, 0.1]], 0.75),
    "a certain class that is one": ("SoftmaxMax", "1.0", [[1.0, 0.0, 0.0]], 1.0),
    "not summing to one: logits": ("SoftmaxMax", "1.0", [[LN3, 0.0]], 0.75),
    "something negative: logits": ("SoftmaxMax", "1.0", [[0.5 + LN3, 0.5 - LN3]], 0.9),
    "rows are judged by themselves": ("SoftmaxMax", "1.0", [[0.75, 0.25], [2.0, -2.0]], 0.75),
    "constant": ("SoftmaxMax", "1.0", [[3.0, 3.0, 3.0, 3.0]], 0.25),
    "constant, by margin": ("Margin", "1.0", [[3.0, 3.0, 3.0, 3.0]], 0.0),
    "constant, by entropy": ("Entropy", "1.0", [[3.0, 3.0, 3.0]], 0.0),
    "all zero": ("SoftmaxMax", "1.0", [[0.0, 0.0]], 0.5),
    "NaN": ("SoftmaxMax", "1.0", [[NAN, 0.0]], 0.0),
    "infinity": ("Margin", "1.0", [[INF, 0.0]], 0.0),
    "minus infinity": ("Entropy", "1.0", [[-INF, 0.0]], 0.0),
    "NaN in another row": ("SoftmaxMax", "1.0", [[9.0, 0.0], [NAN, 0.0]], 0.0),
    "no row at all": ("SoftmaxMax", "1.0", [], 0.0),
    "rows without classes": ("SoftmaxMax", "1.0", [[], []], 0.0),
    "one class tells nothing": ("SoftmaxMax", "1.0", [[7.0]], 0.0),
    "one class has no margin": ("Margin", "1.0", [[7.0]], 0.0),
    "one class has no entropy": ("Entropy", "1.0", [[7.0]], 0.0),
    "a score is taken as it is": ("Score", "1.0", [0.9], 0.9),
    "a negative score, too": ("Score", "1.0", [-3.0], -3.0),
    "the best box of a row": ("Score", "1.0", [[0.2, 0.7, 0.1]], 0.7),
    "the row whose best box is worst": ("Score", "1.0", [[0.2, 0.7], [0.6, 0.1]], 0.6),
    "no box at all": ("Score", "1.0", [[]], 0.0),
    "no rows to score": ("Score", "1.0", [], 0.0),
    "a score that is NaN": ("Score", "1.0", [NAN], 0.0),
    "a score that is infinite": ("Score", "1.0", [INF], 0.0),
    "NaN among the boxes": ("Score", "1.0", [[0.9, NAN]], 0.0),
}
DISTANCES: dict[str, tuple[list[object], str, str, float]] = {
    "at the threshold nobody knows": ([2.0], "2", "1.0", 0.5),
    "above it": ([2.5], "2", "1.0", HALF_WAY),
    "as far below it": ([1.5], "2", "1.0", HALF_WAY),
    "the unit of the score does not matter": ([250.0], "200", "100", HALF_WAY),
    "a threshold below 0": ([-2.5], "-2", "1.0", HALF_WAY),
    "far away": ([1e30], "2", "1.0", 1.0),
    "the best value of a row": ([[0.1, 2.5]], "2", "1.0", HALF_WAY),
    "the row that is nearest to it": ([9.0, 2.5], "2", "1.0", HALF_WAY),
    "no box is a score of 0, and may be sure": ([[]], "0.5", "0.1", 1 / (1 + math.exp(-5))),
    "NaN": ([NAN], "2", "1.0", 0.0),
    "infinity": ([INF], "2", "1.0", 0.0),
}


def sureness(output: list[object], confidence: Confidence) -> float:
    return float(row_confidences(np.array(output, np.float64), confidence).min())


@pytest.mark.parametrize("case", CONFIDENCES)
def test_confidence(case: str) -> None:
    method, temperature, output, expected = CONFIDENCES[case]
    assert sureness(output, Confidence(method=method, temperature=temperature)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("case", DISTANCES)
def test_confidence_by_distance_from_a_threshold(case: str) -> None:
    output, threshold, temperature, expected = DISTANCES[case]
    confidence = Confidence(method="Score", threshold=threshold, temperature=temperature)
    assert sureness(output, confidence) == pytest.approx(expected, abs=1e-9)


@given(st.floats(-50, 50), st.floats(-50, 50), st.sampled_from(["0.5", "1.0", "3.0"]))
def test_a_distance_is_the_softmax_of_two_classes(score: float, threshold: float, temperature: str) -> None:
    """So that one temperature, and one calibration, serve both."""
    by_score = Confidence(method="Score", threshold=f"{threshold:.6f}", temperature=temperature)
    logits = [[0.0, score - float(f"{threshold:.6f}")]]
    if min(logits[0]) < 0 or not math.isclose(sum(logits[0]), 1, abs_tol=0.02):  # those would be probabilities
        by_class = Confidence(method="SoftmaxMax", temperature=temperature)
        assert sureness([score], by_score) == pytest.approx(sureness(list(logits), by_class), abs=1e-9)


ANY_LOGITS = arrays.arrays(
    st.sampled_from([np.float16, np.float32, np.float64, np.int8]),
    arrays.array_shapes(min_dims=1, max_dims=3, min_side=0),
)


@given(ANY_LOGITS, st.sampled_from(["SoftmaxMax", "Margin", "Entropy"]), st.sampled_from(["0.5", "1.0", "3.0"]))
def test_confidence_of_any_logits_is_a_share_for_each_row(
    logits: NDArray[np.generic], method: Method, temperature: str
) -> None:
    rows = row_confidences(logits, Confidence(method=method, temperature=temperature))
    assert len(rows) == max(1, len(logits) if logits.ndim > 1 else 1)
    assert ((rows >= 0) & (rows <= 1)).all()


@given(ANY_LOGITS, st.sampled_from([None, "0", "-3", "7.5"]))
def test_no_score_is_worth_an_exception(scores: NDArray[np.generic], threshold: str | None) -> None:
    rows = row_confidences(scores, Confidence(method="Score", threshold=threshold))
    assert len(rows) == max(1, len(scores))
    assert np.isfinite(rows).all()


@given(arrays.arrays(np.float64, st.integers(2, 6), elements=st.floats(-50, 50)))
def test_a_higher_temperature_is_never_surer(logits: NDArray[np.float64]) -> None:
    cold, warm = (sureness(list(logits), Confidence(method="SoftmaxMax", temperature=t)) for t in ("1.0", "2.0"))
    assert warm <= cold + 1e-12


@given(arrays.arrays(np.float64, (3, 5), elements=st.floats(-20, 20)))
def test_a_softmax_inside_the_model_changes_nothing(logits: NDArray[np.float64]) -> None:
    assert softmax(as_logits(softmax(logits))) == pytest.approx(softmax(logits), abs=1e-9)


BY_TASK: dict[Task, tuple[Method | None, Method]] = {  # without spec.confidence, and with an empty one
    "Classification": ("SoftmaxMax", "SoftmaxMax"),
    "Detection": ("Score", "Score"),
    "Segmentation": (None, "SoftmaxMax"),
    "Regression": (None, "Score"),
    "Anomaly": (None, "Score"),
    "Embedding": (None, "Score"),
    "Other": (None, "SoftmaxMax"),
}


@pytest.mark.parametrize("task", BY_TASK)
def test_the_task_says_how_to_measure_where_the_model_does_not(task: Task) -> None:
    without, empty = BY_TASK[task]
    unsaid, given_ = measured_by(task, None), measured_by(task, Confidence())
    assert (unsaid and unsaid.method, given_ and given_.method) == (without, empty)


def test_a_model_may_say_that_nobody_can_tell() -> None:
    assert measured_by("Classification", Confidence(method="None")) is None


def test_a_threshold_asks_for_the_distance_from_it() -> None:
    found = measured_by("Other", Confidence(threshold="3"))
    assert (found and found.method) == "Score"
