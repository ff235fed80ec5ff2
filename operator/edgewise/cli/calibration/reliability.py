"""Does "90 % sure" mean right nine times in ten? Bins, calibration error, and how much of that is chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewise.cli.calibration.ranking import shared_by_ties
from edgewise.cli.calibration.samples import Bools
from edgewise.contract.scores import Floats

BINS = 15
"""Of equal numbers: bins of equal width are empty where a model never is (Nixon et al. 2019, section 3)."""
_DRAWS = 200


@dataclass(frozen=True)
class Reliability:
    """Bins from the least to the most confident, [bins] each: mean confidence, accuracy, share of all answers."""

    confidence: Floats
    accuracy: Floats
    share: Floats


@dataclass(frozen=True)
class CalibrationError:
    """Expected calibration error, and what of it is real."""

    plain: float
    """Mean distance of confidence and accuracy, over the bins by their share."""
    floor: float
    """What a perfectly calibrated model with these confidences would show on so many examples."""

    @property
    def debiased(self) -> float:
        """What is left above the floor. Where a model is far off, less than the floor is chance: then too small,
        never too large."""
        return max(0.0, self.plain - self.floor)


def reliability(confidence: Floats, right: Bools, bins: int = BINS) -> Reliability:
    """`confidence` [N] in 0..1, the probability to be right, and `right` [N]; at most N bins."""
    order = np.argsort(confidence, kind="stable")
    starts = _starts(len(order), bins)
    sizes = np.diff([*starts, len(order)])
    sums = [np.add.reduceat(values[order], starts) for values in (confidence, shared_by_ties(confidence, right))]
    return Reliability(sums[0] / sizes, sums[1] / sizes, sizes / len(order))


def calibration_error(confidence: Floats, right: Bools, rng: np.random.Generator, bins: int = BINS) -> CalibrationError:
    """ECE over bins of equal numbers, with the floor that drawing `right` from `confidence` gives (`rng` draws)."""
    found = reliability(confidence, right, bins)
    plain = float((found.share * np.abs(found.confidence - found.accuracy)).sum())
    return CalibrationError(plain, _floor(np.sort(confidence), found, rng))


def _floor(ascending: Floats, found: Reliability, rng: np.random.Generator) -> float:
    """Mean ECE of answers that are right exactly as often as they say."""
    count, starts = len(ascending), _starts(len(ascending), len(found.share))
    errors = []
    for _ in range(_DRAWS):
        drawn = np.add.reduceat(rng.random(count) < ascending, starts, dtype=np.float64) / count
        errors.append(float(np.abs(found.share * found.confidence - drawn).sum()))
    return float(np.mean(errors))


def _starts(count: int, bins: int) -> list[int]:
    """Where each of the bins begins; their sizes differ by one at most."""
    bins = min(bins, count)
    return [index * count // bins for index in range(bins)]
