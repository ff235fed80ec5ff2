"""What many devices say together, and that none of them says it alone."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.contract.histogram import SECONDS
from edgewise.core.rollout.evidence import Evidence, Trial
from edgewise.core.rollout.judgement import (
    Figure,
    confidence_shift,
    counted,
    enough,
    error_rate,
    latency_ratio,
    quantile,
)
from edgewise.core.rollout.weighing import weighed
from tests.unit.core.evidences import answered, asked, counts, same, spread, sure, timed

NOBODY: list[Trial] = []
WELL = Evidence(1000)
USUAL = sure("usual", spread(0.9, 300), spread(0.9, 300))


@pytest.mark.parametrize(
    ("devices", "rate", "heard"),
    [
        ([asked(1000, 10)], 0.01, 1),
        ([asked(1000, 0), asked(1000, 20)], 0.01, 2),
        ([asked(1000, 0), asked(1000, 20), asked(0)], 0.01, 2),
        ([asked(100)] * 10, 0.0, 10),
        ([asked(100, 100)] * 30, 1.0, 29),
        ([asked(10**6, 10**4)] + [asked(1000, 10)] * 19, 0.01, 19),
        ([asked(1000)] * 9 + [asked(1, 1)], 1 / 9001, 10),
        ([asked(1000)] * 9 + [asked(1000, 1000)], 0.1, 10),
        ([asked(1000)] * 19 + [asked(1000, 1000)], 0.0, 19),
        ([asked(1000)] * 18 + [asked(1000, 1000)] * 2, 1 / 19, 19),
        ([asked(1000, 0, 50, Evidence(10_000, 0, 500))], 0.0, 1),
        ([asked(1000, 0, 50, Evidence(10_000, 0, 100))], 0.04, 1),
        ([asked(1000, 10, 50, Evidence(10_000, 100, 100))], 0.05, 1),
        ([asked(1000, 10, 0, Evidence(10_000, 0, 500))], 0.01, 1),
        ([asked(1000, 0, 50)], 0.0, 1),
        ([asked(1000, 0, 30, WELL), asked(1000, 0, 0, Evidence(1000, 0, 20))], 0.005, 2),
    ],
    ids=[
        "one device speaks for itself",
        "two are added up",
        "who was not asked is not heard",
        "no failures, no rate",
        "all failures",
        "a busy device like the others changes nothing",
        "one request of a quiet device hardly counts",
        "one of ten that fails is a tenth of the requests",
        "one of twenty has no say",
        "two of twenty have",
        "what clients send wrong both releases refuse",
        "what only the new one refuses is its fault",
        "besides what it fails on",
        "refusing less makes up for no failures",
        "nobody knows whose fault it is where there was no release before",
        "refusals of a fleet are compared as a whole",
    ],
)
def test_the_error_rate_of_devices(devices: list[Trial], rate: float, heard: int) -> None:
    figure = error_rate(devices)
    assert figure is not None
    assert figure.value == pytest.approx(rate)
    assert (figure.devices, figure.model) == (heard, "")


@pytest.mark.parametrize("devices", [[], [asked(0)], [asked(0)] * 30])
def test_there_is_no_error_rate_where_nobody_was_asked(devices: list[Trial]) -> None:
    assert error_rate(devices) is None


def test_a_device_as_busy_as_a_thousand_others_does_not_hide_what_they_see() -> None:
    figure = error_rate([asked(10**9)] + [asked(1000, 100)] * 19)
    assert figure is not None
    assert figure.value > 0.08


anybody = st.builds(
    lambda requests, failed, refused, before: asked(
        requests, round(requests * failed), round(requests * (1 - failed) * refused), Evidence(1000, 0, before)
    ),
    st.integers(1, 10**7),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 1000),
)


@given(st.lists(anybody, min_size=19, max_size=60), anybody)
def test_of_twenty_devices_none_vetoes(others: list[Trial], one: Trial) -> None:
    """However badly it does, or says so: where all others are within a limit, so is the fleet."""
    alone = [figure.value for other in others if (figure := error_rate([other])) is not None]
    figure = error_rate([*others, one])
    assert figure is not None
    assert figure.value <= max(alone) + 1e-9


@given(st.lists(st.integers(1, 10**7), min_size=19, max_size=60), st.floats(0.01, 1.0), st.integers(1, 10**12))
def test_of_twenty_devices_none_sways(asked_of: list[int], rate: float, lie: int) -> None:
    """However much it says it answered well: where all others are above a limit by an eighth, so is the fleet."""
    others = [asked(requests, min(requests, -int(-requests * rate // 1))) for requests in asked_of]
    figure = error_rate([*others, asked(lie)])
    assert figure is not None
    assert figure.value >= rate / 1.126 - 1e-9


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=80))
def test_no_device_weighs_more_than_its_share(amounts: list[int]) -> None:
    weights = weighed(amounts)
    share = min(1.0, max(0.05, 2 / len(amounts)))
    assert max(weights) <= share * sum(weights) * (1 + 1e-9)
    assert all(0 < weight <= amount for weight, amount in zip(weights, amounts, strict=True))


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=80))
def test_who_is_lighter_than_its_share_keeps_its_weight(amounts: list[int]) -> None:
    weights = weighed(amounts)
    for weight, amount in zip(weights, amounts, strict=True):
        assert weight == amount or weight == pytest.approx(max(weights))


@pytest.mark.parametrize(
    ("requests", "needed", "found"),
    [
        ([], 100, False),
        ([], 0, True),
        ([100], 100, True),
        ([99], 100, False),
        ([60, 60], 100, True),
        ([1000, 0], 100, False),
        ([1000, 0, 0, 0, 0, 0], 100, False),
        ([1000, 1000, 1000, 1000, 0, 0], 100, True),
        ([5] * 20, 100, True),
    ],
)
def test_whether_devices_were_asked_enough(requests: list[int], needed: int, found: bool) -> None:
    assert enough([Evidence(number) for number in requests], needed) is found


@given(st.lists(st.integers(0, 10**6), max_size=50), st.integers(0, 10**6))
def test_more_requests_are_never_less_evidence(requests: list[int], needed: int) -> None:
    before = counted([Evidence(number) for number in requests], needed)
    assert counted([Evidence(number + 1) for number in requests], needed) >= before


@pytest.mark.parametrize("seconds", [0.00003, 0.0004, 0.0123, 0.5, 20.0])
def test_a_quantile_is_as_exact_as_its_buckets(seconds: float) -> None:
    found = quantile(counts(SECONDS, [seconds * (1 + i / 1000) for i in range(1000)]), 0.5)
    assert found == pytest.approx(seconds * 1.5, rel=0.02)


def test_the_open_buckets_have_one_bound() -> None:
    assert quantile(counts(SECONDS, [1e-9]), 0.95) == SECONDS[0]
    assert quantile(counts(SECONDS, [1e9]), 0.95) == SECONDS[-1]


@pytest.mark.parametrize(
    ("trials", "figure"),
    [
        (NOBODY, None),
        ([timed("a", 0.02, 0.01, answers=99)], None),
        ([timed("a", 0.02, 0.01)], Figure(2.0, 1, "digits")),
        ([timed("slow", 0.3, 0.3), timed("fast", 0.001, 0.001)], Figure(1.0, 2, "digits")),
        ([timed("a", 0.02, 0.01), timed("b", 0.01, 0.01), timed("c", 0.01, 0.01)], Figure(1.0, 3, "digits")),
        ([Trial("new here", same(500, seconds=0.01))], None),
    ],
    ids=[
        "nobody",
        "too few answers",
        "one device",
        "a slow device is compared with itself",
        "one hot device is outvoted",
        "a device that never served the stable release is not compared",
    ],
)
def test_latency_is_compared_device_by_device(trials: list[Trial], figure: Figure | None) -> None:
    found = latency_ratio(trials)
    assert (found is None) == (figure is None)
    if found is not None and figure is not None:
        assert found.value == pytest.approx(figure.value, rel=0.09)
        assert (found.devices, found.model) == (figure.devices, figure.model)


def test_the_slow_answers_count_not_the_usual_ones() -> None:
    usual, sometimes = [0.01] * 900, [0.01] * 900 + [0.5] * 100
    figure = latency_ratio([Trial("a", answered(sometimes), answered(usual))])
    assert figure is not None
    assert figure.value > 40


@given(st.lists(st.floats(1e-4, 10.0), min_size=19, max_size=40), st.floats(1e-5, 40.0), st.floats(1e-5, 40.0))
def test_of_twenty_devices_one_moves_the_latency_by_no_more_than_its_neighbours_differ(
    stable: list[float], target: float, before: float
) -> None:
    trials = [timed(f"node-{i}", seconds * 1.1, seconds) for i, seconds in enumerate(stable)]
    alone = [latency_ratio([trial]) for trial in trials]
    figure = latency_ratio([*trials, timed("liar", target, before)])
    assert figure is not None
    ratios = [one.value for one in alone if one is not None]
    assert min(ratios) <= figure.value <= max(ratios)


def test_the_worst_model_of_a_release_is_the_one_that_is_told() -> None:
    quick, slow = same(500, seconds=0.01).models["digits"], same(500, seconds=0.03).models["digits"]
    target, stable = ({"digits": quick, "letters": letters} for letters in (slow, quick))
    figure = latency_ratio([Trial("a", Evidence(1000, models=target), Evidence(1000, models=stable))])
    assert figure is not None
    assert figure.model == "letters"
    assert figure.value == pytest.approx(3.0, rel=0.09)


@pytest.mark.parametrize(
    ("target", "stable", "least", "most"),
    [
        (spread(0.9), spread(0.9), 0.0, 0.0),
        (spread(0.9, 200), spread(0.9, 5000), 0.0, 0.02),
        (spread(0.88), spread(0.9), 0.1, 0.25),
        (spread(0.6), spread(0.9), 0.5, 10.0),
        (spread(0.97), spread(0.9), 0.2, 10.0),
        ([0.5] * 1000, [1.0] * 1000, 3.0, 20.0),
        ([1.0] * 1000, [1.0] * 1000, 0.0, 0.0),
        ([1.0] * 1000, [0.5] * 1000, 3.0, 20.0),
        ([1.0] * 900 + [0.5] * 100, [1.0] * 1000, 0.25, 1.0),
    ],
    ids=[
        "the same",
        "the same in fewer answers",
        "a little less sure",
        "much less sure",
        "much surer",
        "never sure any more where it always was",
        "always sure, as before",
        "always sure where it never was",
        "a tenth of the answers is unsure where none was",
    ],
)
def test_the_shift_of_a_confidence(target: list[float], stable: list[float], least: float, most: float) -> None:
    figure = confidence_shift([sure("a", target, stable)])
    assert figure is not None
    assert least <= figure.value <= most


def test_a_shift_needs_200_answers_a_side_however_many_devices_they_are_of() -> None:
    assert confidence_shift([sure("a", [0.5] * 199, [0.9] * 10_000)]) is None
    assert confidence_shift([sure("a", [0.5] * 10_000, [0.9] * 199)]) is None
    figure = confidence_shift([sure(f"node-{i}", [0.5] * 20, [0.9] * 1000) for i in range(10)])
    assert figure is not None
    assert (figure.devices, figure.model) == (10, "digits")
    assert figure.value > 1


def test_models_that_are_not_sure_of_anything_have_no_shift() -> None:
    assert confidence_shift([timed("a", 0.01, 0.01)]) is None


def test_who_is_asked_more_today_shifts_nothing() -> None:
    """Pooled carelessly, a fleet of sure and unsure cameras would seem to change with the traffic between them."""
    by_day = [sure("bright", spread(0.99, 4000), spread(0.99, 400)), sure("dark", spread(0.6, 400), spread(0.6, 4000))]
    figure = confidence_shift(by_day)
    assert figure is not None
    assert figure.value < 0.01


@pytest.mark.parametrize("seed", range(20))
def test_chance_alone_stays_below_what_is_called_a_shift(seed: int) -> None:
    chance = random.Random(seed)
    wide = seed % 2
    target, stable = ([_confidence(chance, wide) for _ in range(200)] for _ in range(2))
    figure = confidence_shift([sure("a", target, stable)])
    assert figure is not None
    assert figure.value < 0.2


def _confidence(chance: random.Random, wide: int) -> float:
    return chance.betavariate(8, 1) if wide else 1 / (1 + math.exp(-chance.gauss(2.0, 0.5)))


confidences = st.sampled_from([0.01, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0])


@given(confidences, confidences, st.integers(1, 10**6), st.integers(19, 40))
def test_of_twenty_devices_one_shifts_the_fleet_by_less_than_anybody_calls_a_shift(
    now: float, before: float, answers: int, others: int
) -> None:
    fleet = [USUAL] * others
    liar = Trial("liar", same(answers, confidence=now), same(answers, confidence=before))
    figure = confidence_shift([*fleet, liar])
    assert figure is not None
    assert figure.value < 0.05
