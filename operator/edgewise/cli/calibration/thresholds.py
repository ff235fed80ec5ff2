"""From which confidence on a device answers alone: chosen for a share of requests, or for an accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise.cli.calibration.samples import Bools, SampleError
from edgewise.contract.scores import Floats

DECIMALS = 6
"""What a Fraction in a manifest holds."""


@dataclass(frozen=True)
class Wish:
    """Exactly one of the two, above 0 and up to 1. SampleError for anything else."""

    offload: float | None = None
    """Largest share of requests to ask for help with."""
    accuracy: float | None = None
    """Of all answers where the bigger model's are known, else of those the device keeps."""

    def __post_init__(self) -> None:
        given = [value for value in (self.offload, self.accuracy) if value is not None]
        if len(given) != 1:
            raise SampleError(
                "say one of two: offload, the share of requests that may be asked, or accuracy, the one wanted"
            )
        if not 0 < given[0] <= 1:
            raise SampleError(f"{given[0]:g} is no share: write one above 0 and up to 1, such as 0.3")


def threshold(wish: Wish, confidence: Floats, right: Bools, cloud_right: Bools | None = None) -> float:
    """The `confidenceBelow` that grants the wish on these answers [N] and asks least; SampleError where none does."""
    order = np.argsort(confidence, kind="stable")
    ascending = confidence[order]
    candidates = np.unique(np.append(_written(ascending), 1.0))
    asked = np.searchsorted(ascending, candidates)  # how many are below each
    if wish.offload is not None:
        return float(candidates[asked <= wish.offload * len(ascending) + 1e-9][-1])  # the first asks nobody
    if cloud_right is None:
        reached = _accuracy_kept(right[order], asked)
    else:
        reached = _accuracy_together(right[order], cloud_right[order], asked)
    good = np.flatnonzero(reached >= (wish.accuracy or 0.0) - 1e-9)
    if not len(good):
        best = int(np.nanargmax(reached))
        raise SampleError(
            f"no threshold gives accuracy {wish.accuracy:g} on these examples; the best is {reached[best]:.4f}, "
            f"asking for {asked[best] / len(ascending):.1%}: ask for less, or give a better model to ask"
        )
    return float(candidates[good[0]])


def _written(confidence: Floats) -> Floats:
    """Rounded down to what can be written, so that what is chosen here is what a device compares with."""
    down: Floats = np.round(np.floor(confidence * 10**DECIMALS) / 10**DECIMALS, DECIMALS)
    return down


def _accuracy_kept(right: Bools, asked: NDArray[np.intp]) -> Floats:
    """Of what is left when so many of the least sure are asked; NaN where nothing is."""
    left = len(right) - asked
    rights = right.sum() - np.concatenate([[0], np.cumsum(right)])[asked]
    kept: Floats = np.where(left > 0, rights / np.maximum(left, 1), np.nan)
    return kept


def _accuracy_together(right: Bools, cloud_right: Bools, asked: NDArray[np.intp]) -> Floats:
    gained = np.concatenate([[0.0], np.cumsum(cloud_right.astype(np.float64) - right)])[asked]
    together: Floats = (right.sum() + gained) / len(right)
    return together
