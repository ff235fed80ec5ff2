"""Does a model know when it is wrong? What a temperature cannot change, and what asking for help lives by.

Equal confidences have no order: every curve here gives tied answers their mean, so no sorting can flatter it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.cli.calibration.samples import Bools
from edgewise.contract.scores import Floats


@dataclass(frozen=True)
class RiskCoverage:
    """[N] each: share of answers kept, the surest first, and the share of wrong ones among them."""

    coverage: Floats
    risk: Floats

    @property
    def area(self) -> float:
        """AURC: mean risk over all coverages (Geifman and El-Yaniv 2017); 0 is a model that is never wrong."""
        return float(self.risk.mean())


def shared_by_ties(confidence: Floats, values: NDArray[Any]) -> Floats:
    """`values` [N], where equal confidences share their mean."""
    _, group, sizes = np.unique(confidence, return_inverse=True, return_counts=True)
    means: Floats = np.bincount(group, weights=values.astype(np.float64)) / sizes
    return means[group]


def risk_coverage(confidence: Floats, right: Bools) -> RiskCoverage:
    """Of answers [N] with their `confidence`."""
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(1.0 - shared_by_ties(confidence, right)[order])
    kept = np.arange(1, len(order) + 1)
    return RiskCoverage(kept / len(order), wrong / kept)


def offload_accuracy(confidence: Floats, right: Bools, cloud_right: Bools) -> Floats:
    """[N + 1]: accuracy of device and cloud together when the cloud answers the 0, 1, .. N least sure."""
    gained = shared_by_ties(confidence, cloud_right.astype(np.float64) - right)
    order = np.argsort(confidence, kind="stable")
    together: Floats = right.mean() + np.concatenate([[0.0], np.cumsum(gained[order])]) / len(right)
    return together


def area_won(confidence: Floats, right: Bools, cloud_right: Bools) -> float:
    """Of the area between asking at random (0) and asking an oracle whom to ask (1), the share `confidence` wins.

    Over all offload ratios from 0 to 1. NaN where the oracle cannot win anything: both models err on the same."""
    gained = cloud_right.astype(np.float64) - right
    oracle = np.concatenate([[0.0], np.cumsum(np.sort(gained)[::-1])]) / len(right) + right.mean()
    chance = (right.mean() + cloud_right.mean()) / 2
    room = oracle.mean() - chance
    if room <= 0:
        return float("nan")
    return float((offload_accuracy(confidence, right, cloud_right).mean() - chance) / room)
