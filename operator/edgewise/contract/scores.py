"""How sure a model is of an answer: what each method of EdgeModel.spec.confidence computes. Pure.

The device decides by these numbers (edgewise_runtime.escalation.confidence), `kubectl edgewise calibrate` chooses
temperature and threshold by them: one definition, or the chosen threshold would mean something else on the device.
The only module of this package that imports numpy, and the operator does not import it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.api.confidence import Confidence

Floats = NDArray[np.float64]

_ROUNDING = 0.02  # what the probabilities of an INT8 softmax may miss 1 by
_SMALLEST = 1e-30  # a probability of 0 has no logarithm


def row_confidences(output: NDArray[Any], confidence: Confidence) -> Floats:
    """One number for each row (first dimension) of `output`; `confidence` has its method (`measured_by`).

    SoftmaxMax, Margin, Entropy: classes in the last dimension; a row that holds several places (a segmentation) is as
    sure as its least sure one. Score: by the best value of the row. What cannot be understood is 0.0: ask."""
    values = output.astype(np.float64)
    if confidence.method == "Score":
        return _scored(values.reshape(len(values) if values.ndim else 1, prod(values.shape[1:])), confidence)
    rows = values if values.ndim > 1 else values.reshape(1, -1)
    if rows.size == 0:
        return np.zeros(max(1, len(rows)))
    with np.errstate(over="ignore"):
        logits = as_logits(rows) / float(confidence.temperature)
    places = class_confidence(confidence.method or "SoftmaxMax", logits)
    return places if places.ndim == 1 else places.reshape(len(rows), -1).min(axis=1)


def as_logits(scores: Floats) -> Floats:
    """[..., classes] as they are, but rows that are probabilities already as the logarithms of those.

    Many models are exported with their softmax. Such rows hold nothing below 0 and sum to 1 (+- 0.02); softmax turns
    the logarithms back into them, and the temperature means what it means for logits."""
    with np.errstate(all="ignore"):
        sums = scores.sum(axis=-1)
        if sums.size == 1 and not abs(float(sums.item()) - 1.0) <= _ROUNDING:  # the usual case, and so a quick one
            return scores
        done = np.abs(sums - 1.0) <= _ROUNDING
        if not done.any():
            return scores
        done &= scores.min(axis=-1) >= 0
    return np.where(done[..., None], np.log(np.maximum(scores, _SMALLEST)), scores)


def softmax(logits: Floats) -> Floats:
    """Probabilities along the last axis, shifted by the maximum so that nothing overflows."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def softmax_max(logits: Floats) -> Floats:
    """[..., classes] to [...]: probability of the likeliest class."""
    best: Floats = softmax(logits).max(axis=-1)
    return best


def margin(logits: Floats) -> Floats:
    """[..., classes] to [...]: probability of the likeliest class less that of the next."""
    top = np.partition(softmax(logits), -2, axis=-1)
    difference: Floats = top[..., -1] - top[..., -2]
    return difference


def entropy(logits: Floats) -> Floats:
    """[..., classes] to [...]: 1 - H / log(classes), so 1 for one certain class and 0 for all alike."""
    probabilities = softmax(logits)
    surprise = -probabilities * np.log(np.maximum(probabilities, 1e-300))
    certainty: Floats = 1.0 - surprise.sum(axis=-1) / np.log(logits.shape[-1])
    return np.clip(certainty, 0.0, 1.0)  # rounding


CLASS_SCORES: dict[str, Callable[[Floats], Floats]] = {
    "SoftmaxMax": softmax_max,
    "Margin": margin,
    "Entropy": entropy,
}


def class_confidence(method: str, logits: Floats) -> Floats:
    """[..., classes] logits, over the temperature already, to [...] in 0..1 by a method of CLASS_SCORES.

    What cannot be understood (NaN, infinities, fewer than two classes) is 0.0: ask somebody else."""
    if logits.shape[-1] < 2:
        return np.zeros(logits.shape[:-1])
    with np.errstate(all="ignore"):
        found = CLASS_SCORES[method](logits)
        if isfinite(float(logits.sum())):  # then all of them are; one that is not makes the sum so
            return found
    sound: Floats = np.where(np.isfinite(logits).all(axis=-1), found, 0.0)
    return sound


def _scored(rows: Floats, confidence: Confidence) -> Floats:
    """[rows, values] by the best value of each; a row without values (no box was found) has a score of 0."""
    if not len(rows):
        rows = np.zeros((1, 0))
    best: Floats = rows.max(axis=1, initial=-np.inf) if rows.shape[1] else np.zeros(len(rows))
    if confidence.threshold is not None:
        with np.errstate(all="ignore"):
            distance = np.abs(best - float(confidence.threshold)) / float(confidence.temperature)
            best = 1.0 / (1.0 + np.exp(-distance))
    sound: Floats = np.where(np.isfinite(rows).all(axis=1), best, 0.0)
    return sound
