"""What a confidence is worth: likelihood, temperature, calibration error; and the sets nobody should calibrate with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgewise.api.confidence import Confidence
from edgewise.cli.calibration.likelihood import COLDEST, HOTTEST, fitted_temperature, nll
from edgewise.cli.calibration.reliability import calibration_error, reliability
from edgewise.cli.calibration.resampling import interval
from edgewise.cli.calibration.samples import SampleError, Samples, checked, of_scores
from edgewise.contract.scores import CLASS_SCORES, class_confidence, row_confidences, softmax

SEEDS = st.integers(0, 10_000)


def drawn(seed: int, count: int = 2000, classes: int = 4, spread: float = 2.0) -> Samples:
    """Logits, and labels drawn from their softmax: a model that is calibrated by construction."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, (count, classes))
    ranks = rng.random((count, 1)) > np.cumsum(softmax(logits), axis=1)
    return Samples(logits, np.minimum(ranks.sum(axis=1), classes - 1).astype(np.int64))


@pytest.mark.parametrize(
    ("method", "logits", "expected"),
    [
        ("SoftmaxMax", [0.0, 0.0], 0.5),
        ("SoftmaxMax", [np.log(3.0), 0.0], 0.75),
        ("SoftmaxMax", [1000.0, 0.0], 1.0),
        ("Margin", [np.log(3.0), 0.0], 0.5),
        ("Margin", [2.0, 2.0, -50.0], 0.0),
        ("Entropy", [0.0, 0.0, 0.0], 0.0),
        ("Entropy", [1000.0, 0.0, 0.0], 1.0),
        ("Entropy", [np.log(3.0), 0.0], 1 + (0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))),
        ("SoftmaxMax", [np.nan, 0.0], 0.0),
        ("Margin", [np.inf, 0.0], 0.0),
        ("Entropy", [-np.inf, 0.0], 0.0),
        ("SoftmaxMax", [3.0], 0.0),
    ],
)
def test_class_scores_are_what_a_hand_computes(method: str, logits: list[float], expected: float) -> None:
    assert class_confidence(method, np.array([logits]))[0] == pytest.approx(expected, abs=1e-12)


@given(seed=SEEDS, method=st.sampled_from(sorted(CLASS_SCORES)))
def test_a_class_score_stays_in_0_to_1_and_does_not_mind_a_shift_or_the_order_of_classes(
    seed: int, method: str
) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 10 ** rng.uniform(-3, 3), (20, rng.integers(2, 12)))
    found = class_confidence(method, logits)
    assert ((found >= 0) & (found <= 1)).all()
    shuffled = rng.permuted(logits, axis=1) + 7.0
    assert class_confidence(method, shuffled) == pytest.approx(found, abs=1e-6)


def test_likelihood_of_even_odds_is_log_two() -> None:
    assert nll(np.zeros((5, 2)), np.zeros(5, np.int64)) == pytest.approx(np.log(2))


def test_likelihood_divides_by_the_temperature() -> None:
    logits, labels = np.array([[2 * np.log(3.0), 0.0]]), np.array([1])
    assert nll(logits, labels) == pytest.approx(np.log(10))
    assert nll(logits, labels, 2.0) == pytest.approx(np.log(4))


def test_likelihood_of_a_confident_mistake_is_large_and_finite() -> None:
    assert nll(np.array([[1e6, 0.0]]), np.array([1])) == pytest.approx(1e6)


@settings(max_examples=20)
@given(seed=SEEDS, factor=st.floats(0.3, 4.0))
def test_temperature_undoes_the_factor_that_made_a_model_too_sure(seed: int, factor: float) -> None:
    honest = drawn(seed)
    assert fitted_temperature(honest.logits * factor, honest.labels) == pytest.approx(factor, rel=0.25)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_no_temperature_nearby_is_likelier_than_the_fitted_one(seed: int) -> None:
    samples = drawn(seed, count=300)
    fitted = fitted_temperature(samples.logits, samples.labels)
    best = nll(samples.logits, samples.labels, fitted)
    for other in (fitted * 0.9, fitted * 1.1):
        assert best <= nll(samples.logits, samples.labels, other)


def test_temperature_of_two_kinds_of_answers_is_the_one_a_hand_computes() -> None:
    logits = np.array([[1.0, 0.0]] * 4)
    labels = np.array([0, 0, 0, 1])  # 75 %: softmax(1 / T) = 3 / 4, so 1 / T = log 3
    assert fitted_temperature(logits, labels) == pytest.approx(1 / np.log(3), rel=1e-6)


@pytest.mark.parametrize(("label", "expected"), [(0, COLDEST), (1, HOTTEST)])
def test_temperature_stays_in_bounds_where_all_answers_are_right_or_all_wrong(label: int, expected: float) -> None:
    logits = np.array([[1.0, 0.0]] * 10)
    assert fitted_temperature(logits, np.full(10, label)) == pytest.approx(expected)


def test_reliability_of_two_bins_is_what_a_hand_computes() -> None:
    found = reliability(np.array([0.9, 0.5, 0.7, 0.8]), np.array([True, False, True, False]), bins=2)
    assert found.confidence == pytest.approx([0.6, 0.85])
    assert found.accuracy == pytest.approx([0.5, 0.5])
    assert found.share == pytest.approx([0.5, 0.5])


def test_calibration_error_is_the_distance_of_confidence_and_accuracy() -> None:
    right = np.arange(1000) % 10 < 7
    found = calibration_error(np.full(1000, 0.9), right, np.random.default_rng(0))
    assert found.plain == pytest.approx(0.2)


@settings(max_examples=10)
@given(seed=SEEDS)
def test_a_calibrated_model_shows_an_error_near_its_floor_and_an_overconfident_one_far_above(seed: int) -> None:
    samples, rng = drawn(seed), np.random.default_rng(seed)
    honest = calibration_error(softmax(samples.logits).max(axis=1), samples.right, rng)
    assert honest.plain == pytest.approx(honest.floor, rel=0.9)
    boastful = calibration_error(softmax(samples.logits * 4).max(axis=1), samples.right, rng)
    assert boastful.debiased > 3 * boastful.floor


@given(seed=SEEDS)
def test_reliability_does_not_depend_on_the_order_of_examples(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sure, right = rng.integers(0, 5, 100) / 5, rng.random(100) < 0.5
    order = rng.permutation(100)
    one, other = reliability(sure, right), reliability(sure[order], right[order])
    assert one.accuracy == pytest.approx(other.accuracy)
    assert float(one.share @ one.accuracy) == pytest.approx(right.mean())


def test_interval_of_a_share_is_as_wide_as_theory_says() -> None:
    right = np.arange(400) % 4 > 0
    low, high = interval(lambda rows: float(right[rows].mean()), 400, np.random.default_rng(0))
    wide = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == pytest.approx((0.75 - wide, 0.75 + wide), abs=0.01)


def test_interval_of_what_has_no_value_is_no_interval() -> None:
    assert np.isnan(interval(lambda _: float("nan"), 10, np.random.default_rng(0))).all()


LOGITS = np.random.default_rng(0).normal(0, 2, (300, 3))
LABELS = np.arange(300) % 3


def _with(array: NDArray[Any], row: int, value: float) -> NDArray[Any]:
    changed = array.astype(float)
    changed[row, 0] = value
    return changed


@pytest.mark.parametrize(
    ("logits", "labels", "cloud", "said"),
    [
        (LOGITS[:, 0], LABELS, None, r"shape \[300\], not \[examples, classes\].*spec.confidence.output"),
        (LOGITS[:, :1], LABELS, None, r"shape \[300, 1\]"),
        (LOGITS[:, :, None], LABELS, None, r"shape \[300, 3, 1\]"),
        (LOGITS.astype(str), LABELS, None, "not numbers"),
        (_with(LOGITS, 7, np.nan), LABELS, None, "not finite for example 7"),
        (_with(LOGITS, 9, np.inf), LABELS, None, "not finite for example 9"),
        (LOGITS, LABELS[:200], None, r"labels have shape \[200\]; 300 examples need \[300\]"),
        (LOGITS, LABELS.astype(float), None, "float64, not class numbers"),
        (LOGITS[:199], LABELS[:199], None, "199 examples are too few.*at least 200"),
        (LOGITS, LABELS + 1, None, "label 3 is none of the model's 3 classes: number them from 0 to 2"),
        (LOGITS, LABELS - 1, None, "label -1 is none"),
        (LOGITS, LABELS * 0, None, "every label is 0"),
        (LOGITS, LABELS, LOGITS[:, :2], r"answers \[300, 2\], the device \[300, 3\]"),
        (LOGITS, LABELS, _with(LOGITS, 0, np.nan), "bigger model's output is not finite for example 0"),
        (LOGITS, LABELS, LOGITS.astype(str), "bigger model's output is <U"),
    ],
)
def test_a_set_nobody_can_calibrate_with_is_refused_with_what_to_change(
    logits: NDArray[Any], labels: NDArray[Any], cloud: NDArray[Any] | None, said: str
) -> None:
    with pytest.raises(SampleError, match=said):
        checked(logits, labels, cloud)


def test_probabilities_count_as_their_logarithms_as_on_the_device() -> None:
    assert softmax(checked(softmax(LOGITS), LABELS).logits) == pytest.approx(softmax(LOGITS))


def test_scores_with_a_threshold_are_as_sure_as_on_the_device() -> None:
    scores = np.random.default_rng(0).normal(0.5, 1, (300, 2))
    device = Confidence(method="Score", threshold="0.7", temperature="0.5")
    found = class_confidence("SoftmaxMax", of_scores(scores, 0.7) / 0.5)
    assert found == pytest.approx(row_confidences(scores, device))
    assert np.array_equal(of_scores(scores, 0.7).argmax(axis=1), scores.max(axis=1) > 0.7)


def test_integer_logits_of_a_quantised_model_are_logits() -> None:
    assert checked((LOGITS * 10).astype(np.int8), LABELS).logits.dtype == np.float64


@given(seed=SEEDS, count=st.integers(2, 301))
def test_halves_share_no_example_and_lose_none(seed: int, count: int) -> None:
    numbered = Samples(LOGITS[:1].repeat(count, axis=0), np.arange(count))
    fit, held = numbered.halves(seed)
    assert sorted([*fit.labels, *held.labels]) == list(range(count))
    assert abs(len(fit.labels) - len(held.labels)) <= 1
