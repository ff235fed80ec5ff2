"""Whom to ask for help: risk-coverage, thresholds, and the whole calibration on examples that had no say in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.cli.calibration.judging import calibrate, confidence
from edgewise.cli.calibration.ranking import area_won, offload_accuracy, risk_coverage
from edgewise.cli.calibration.samples import Bools, SampleError, Samples
from edgewise.cli.calibration.thresholds import Wish, threshold
from edgewise.contract.scores import Floats
from tests.unit.test_calibration import SEEDS, drawn

SURE = np.array([0.9, 0.8, 0.7, 0.6])
RIGHT = np.array([True, True, False, False])
CLOUD = np.array([True, True, True, False])


def chance(seed: int, count: int = 200) -> tuple[Floats, Bools, Bools]:
    """Confidences (many of them equal), and who is right, with no rhyme or reason."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 20, count) / 20, rng.random(count) < 0.8, rng.random(count) < 0.9


def test_risk_coverage_is_what_a_hand_computes() -> None:
    found = risk_coverage(SURE, RIGHT)
    assert found.coverage == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert found.risk == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert found.area == pytest.approx((1 / 3 + 1 / 2) / 4)


def test_equal_confidences_give_a_flat_curve() -> None:
    assert risk_coverage(np.full(4, 0.5), RIGHT).risk == pytest.approx([0.5] * 4)


@given(seed=SEEDS)
def test_risk_of_all_answers_is_the_error_rate_and_no_order_of_examples_changes_the_curve(seed: int) -> None:
    sure, right, _ = chance(seed)
    order = np.random.default_rng(seed).permutation(len(sure))
    found = risk_coverage(sure, right)
    assert found.risk[-1] == pytest.approx(1 - right.mean())
    assert risk_coverage(sure[order], right[order]).risk == pytest.approx(found.risk)


@given(seed=SEEDS)
def test_a_monotone_change_of_the_confidence_changes_no_ranking(seed: int) -> None:
    sure, right, _ = chance(seed)
    assert risk_coverage(sure**3, right).area == pytest.approx(risk_coverage(sure, right).area)


def test_accuracy_with_help_is_what_a_hand_computes() -> None:
    assert offload_accuracy(SURE, RIGHT, CLOUD) == pytest.approx([0.5, 0.5, 0.75, 0.75, 0.75])


@given(seed=SEEDS)
def test_help_begins_with_the_device_alone_and_ends_with_the_cloud_alone(seed: int) -> None:
    sure, right, cloud = chance(seed)
    found = offload_accuracy(sure, right, cloud)
    assert (found[0], found[-1]) == pytest.approx((right.mean(), cloud.mean()))


@given(seed=SEEDS)
def test_area_won_is_one_for_an_oracle_and_nothing_for_a_constant(seed: int) -> None:
    _, right, cloud = chance(seed)
    oracle = right.astype(float) - cloud
    assert area_won(oracle, right, cloud) == pytest.approx(1.0)
    assert area_won(-oracle, right, cloud) < 0
    assert area_won(np.full(len(right), 0.5), right, cloud) == pytest.approx(0.0, abs=1e-9)


def test_area_won_of_two_models_that_err_alike_is_no_number() -> None:
    assert np.isnan(area_won(SURE, RIGHT, RIGHT))


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(offload=0.25), 0.7),
        (Wish(offload=0.49), 0.7),
        (Wish(offload=0.5), 0.8),
        (Wish(offload=1.0), 1.0),
        (Wish(accuracy=0.5), 0.6),
        (Wish(accuracy=0.6), 0.7),
        (Wish(accuracy=1.0), 0.8),
    ],
)
def test_threshold_is_what_a_hand_chooses(wish: Wish, expected: float) -> None:
    assert threshold(wish, SURE, RIGHT) == pytest.approx(expected)


def test_threshold_for_an_accuracy_counts_the_answers_of_the_cloud_where_they_are_known() -> None:
    assert threshold(Wish(accuracy=0.75), SURE, RIGHT, CLOUD) == pytest.approx(0.8)


def test_an_accuracy_that_no_threshold_gives_is_refused_with_the_best_there_is() -> None:
    with pytest.raises(SampleError, match=r"no threshold gives accuracy 0.9.*the best is 0.7500, asking for 50.0%"):
        threshold(Wish(accuracy=0.9), SURE, RIGHT, CLOUD)


@given(seed=SEEDS, ratio=st.floats(0.01, 1.0))
def test_no_more_is_asked_than_was_wished_and_the_next_higher_threshold_would_ask_too_much(
    seed: int, ratio: float
) -> None:
    sure, right, _ = chance(seed)
    below = threshold(Wish(offload=ratio), sure, right)
    assert (sure < below).mean() <= ratio + 1e-9
    higher = sure[sure >= below]
    if len(higher) and below < 1:
        assert (sure <= higher.min()).mean() > ratio


@given(seed=SEEDS, wanted=st.floats(0.5, 0.95))
def test_the_accuracy_wished_for_is_reached_or_refused(seed: int, wanted: float) -> None:
    sure, right, cloud = chance(seed)
    try:
        below = threshold(Wish(accuracy=wanted), sure, right, cloud)
    except SampleError:
        assert offload_accuracy(sure, right, cloud)[-1] < wanted
        return
    assert np.where(sure < below, cloud, right).mean() >= wanted - 1e-9


def test_a_threshold_has_no_more_decimals_than_a_manifest_holds() -> None:
    rng = np.random.default_rng(0)
    below = threshold(Wish(offload=0.3), rng.random(1000), rng.random(1000) < 0.5)
    assert below == round(below, 6)


@pytest.mark.parametrize(
    ("offload", "accuracy", "said"),
    [
        (None, None, "say one of two"),
        (0.3, 0.9, "say one of two"),
        (0.0, None, "0 is no share"),
        (1.5, None, "1.5 is no share"),
        (None, float("nan"), "nan is no share"),
    ],
)
def test_a_wish_without_sense_is_refused(offload: float | None, accuracy: float | None, said: str) -> None:
    with pytest.raises(SampleError, match=said):
        Wish(offload, accuracy)


@settings(max_examples=10)
@given(seed=SEEDS, method=st.sampled_from(["SoftmaxMax", "Margin", "Entropy"]))
def test_calibrating_a_boastful_model_makes_it_modest_and_keeps_the_share_of_requests(seed: int, method: str) -> None:
    honest = drawn(seed)
    boastful = Samples(honest.logits * 3, honest.labels, honest.logits)
    found = calibrate(boastful, Wish(offload=0.3), method, 1.0, seed)
    assert found.after.setting.temperature == pytest.approx(3.0, rel=0.3)
    assert found.after.nll < found.before.nll
    assert found.after.error.plain < found.before.error.plain / 2
    for judged in (found.before, found.after):
        assert judged.offload == pytest.approx(0.3, abs=0.06)
        assert judged.together is not None
        assert judged.together.low <= judged.together.value <= judged.together.high


def test_the_half_that_judges_has_no_say_in_temperature_and_threshold() -> None:
    samples = drawn(5)
    fit, held = samples.halves(0)
    rows = np.random.default_rng(0).permutation(2000)
    kept, other = rows[:1000], rows[1000:]
    assert np.array_equal(samples.labels[kept], fit.labels)
    assert np.array_equal(samples.labels[other], held.labels)
    labels = samples.labels.copy()
    labels[other] = (labels[other] + 1) % 4
    honest, spoilt = (
        calibrate(Samples(samples.logits, given), Wish(accuracy=0.8), "Margin", 1.0)
        for given in (samples.labels, labels)
    )
    assert honest.after.setting == spoilt.after.setting
    assert honest.after.nll < spoilt.after.nll


def test_a_device_alone_is_judged_by_the_answers_it_keeps() -> None:
    found = calibrate(drawn(1), Wish(accuracy=0.9), "SoftmaxMax", 1.0)
    assert (found.cloud, found.after.together, found.after.area_won) == (None, None, None)
    assert found.after.kept.value > found.edge
    assert found.examples == (1000, 1000)


def test_confidence_is_that_of_the_divided_logits() -> None:
    samples = Samples(np.array([[np.log(9.0), 0.0]]), np.array([0]))
    assert confidence(samples, "SoftmaxMax", 2.0) == pytest.approx(0.75)
