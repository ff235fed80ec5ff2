"""The temperature: the one number that makes a model's logits mean what they say (Guo et al. 2017, section 4.2)."""

from __future__ import annotations

import numpy as np

from edgewise.cli.calibration.samples import Ints
from edgewise.contract.scores import Floats, softmax

COLDEST, HOTTEST = 0.05, 20.0
"""Beyond these a set says nothing about the temperature: all of its answers are right, or no better than guesses."""
_HALVINGS = 60


def nll(logits: Floats, labels: Ints, temperature: float = 1.0) -> float:
    """Mean negative log likelihood of `labels` [N] under `logits` [N, classes], in nats."""
    scaled = logits / temperature
    highest = scaled.max(axis=1)
    normaliser = highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1))
    return float((normaliser - scaled[np.arange(len(labels)), labels]).mean())


def fitted_temperature(logits: Floats, labels: Ints) -> float:
    """The divisor of `logits` that makes `labels` likeliest, within COLDEST and HOTTEST.

    The likelihood is convex in 1 / temperature, so its slope changes sign once and halving finds where."""
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(low * high))
        if _slope(logits, labels, middle) < 0:
            low = middle
        else:
            high = middle
    return 1 / float(np.sqrt(low * high))


def _slope(logits: Floats, labels: Ints, inverse: float) -> float:
    """Of `nll` by 1 / temperature: the logit a model expects, less the one it got."""
    expected = (softmax(logits * inverse) * logits).sum(axis=1)
    return float((expected - logits[np.arange(len(labels)), labels]).mean())
