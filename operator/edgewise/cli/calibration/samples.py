"""Labelled answers of a model, checked before anything is made of them: a bad set gives a bad threshold, quietly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.contract.scores import Floats, as_logits

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FEWEST = 200
"""Examples: half of them choose, half judge, and a share of 100 is known to about 10 points (Wald, 95 %)."""


class SampleError(ValueError):
    """What is wrong with the labelled set, and what to change."""


@dataclass(frozen=True)
class Samples:
    """`logits` [N, classes] and `labels` [N] (class numbers); `cloud` [N, classes]: the bigger model's, where known."""

    logits: Floats
    labels: Ints
    cloud: Floats | None = None

    @property
    def right(self) -> Bools:
        """[N]: the device's answer is the label."""
        right: Bools = self.logits.argmax(axis=1) == self.labels
        return right

    @property
    def cloud_right(self) -> Bools | None:
        """[N]: the bigger model's answer is."""
        return None if self.cloud is None else self.cloud.argmax(axis=1) == self.labels

    def at(self, rows: NDArray[Any]) -> Samples:
        """Only these rows."""
        return Samples(self.logits[rows], self.labels[rows], None if self.cloud is None else self.cloud[rows])

    def halves(self, seed: int) -> tuple[Samples, Samples]:
        """One half to choose by, the other, which had no say, to judge by. The same for the same seed and N."""
        order = np.random.default_rng(seed).permutation(len(self.labels))
        middle = len(order) // 2
        return self.at(order[:middle]), self.at(order[middle:])


def of_scores(scores: NDArray[Any], threshold: float) -> Floats:
    """Logits [N, 2] (normal, anomaly) that are as sure as a device is of `scores` [N, ...] by method Score."""
    rows = _numbers("the model's output", scores.reshape(len(scores), -1))
    distance = rows.max(axis=1, initial=-np.inf) - threshold
    return np.stack([np.zeros(len(rows)), distance], axis=1)


def checked(logits: NDArray[Any], labels: NDArray[Any], cloud: NDArray[Any] | None = None) -> Samples:
    """Samples of arrays as they came; probabilities count as their logarithms, as on the device. SampleError where
    nothing sensible can be made of them."""
    sound = _logits("the model's output", logits)
    classes = _labels(labels, sound)
    return Samples(sound, classes, None if cloud is None else _cloud(cloud, sound))


def _logits(what: str, array: NDArray[Any]) -> Floats:
    if array.ndim != 2 or array.shape[1] < 2:
        raise SampleError(
            f"{what} has shape {list(array.shape)}, not [examples, classes]: "
            "let spec.confidence.output of the EdgeModel name the output with one number for each class"
        )
    return as_logits(_numbers(what, array))


def _numbers(what: str, array: NDArray[Any]) -> Floats:
    """[N, ...] as float64, all of them finite."""
    if array.dtype.kind not in "fiu":
        raise SampleError(f"{what} is {array.dtype}, not numbers: name the output with the logits")
    values = array.astype(np.float64)
    odd = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(odd):
        raise SampleError(f"{what} is not finite for example {odd[0]}: look at what the model makes of that input")
    return values


def _labels(labels: NDArray[Any], logits: Floats) -> Ints:
    count, classes = logits.shape
    if labels.shape != (count,):
        raise SampleError(f"labels have shape {list(labels.shape)}; {count} examples need [{count}]")
    if labels.dtype.kind not in "iu":
        raise SampleError(f"labels are {labels.dtype}, not class numbers: write them as integers from 0")
    if count < FEWEST:
        raise SampleError(f"{count} examples are too few to tell anything by: label at least {FEWEST}")
    found = np.unique(labels)
    if found[0] < 0 or found[-1] >= classes:
        wrong = found[0] if found[0] < 0 else found[-1]
        raise SampleError(
            f"label {wrong} is none of the model's {classes} classes: number them from 0 to {classes - 1}"
        )
    if len(found) < 2:
        raise SampleError(f"every label is {found[0]}: take examples of all classes, as the devices see them")
    return labels.astype(np.int64)


def _cloud(cloud: NDArray[Any], logits: Floats) -> Floats:
    if cloud.shape != logits.shape:
        raise SampleError(
            f"the bigger model answers {list(cloud.shape)}, the device {list(logits.shape)}: "
            "they must tell the same classes apart, in the same order"
        )
    return _numbers("the bigger model's output", cloud)
