"""How sure a model is of an answer, read from one of its outputs. Used to decide on escalation, and told to the client.

Whatever cannot be understood (NaN, infinities, nothing at all) is confidence 0.0: ask.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgewise.api.edgemodel import Confidence
from edgewise_runtime.engines.base import Array

Floats = NDArray[np.float64]


def row_confidences(output: Array, confidence: Confidence) -> Floats:
    """One number for each row (first dimension) of `output`.

    SoftmaxMax, Margin, Entropy: class scores in the last dimension, over the temperature; a row that holds several
    (a segmentation) is as sure as its least sure place. Score: the best value of the row, as it is."""
    measure = _METHODS[confidence.method]
    rows = output.astype(np.float64)
    if confidence.method == "Score":
        values = rows.reshape(len(rows), -1) if rows.ndim > 1 else rows.reshape(-1, 1)
    else:
        values = rows.reshape(1, -1) if rows.ndim < 2 else rows
        values = values / float(confidence.temperature)
    if values.size == 0 or len(values) == 0:
        return np.zeros(max(1, len(values)))
    with np.errstate(all="ignore"):
        result = measure(values)
    result = np.where(np.isfinite(values).all(axis=-1), result, 0.0)
    least: Floats = result.reshape(len(values), -1).min(axis=1)
    return least


def confidence_of(output: Array, confidence: Confidence) -> float:
    """Of the whole answer: that of its least sure row."""
    return float(row_confidences(output, confidence).min())


def _softmax(logits: Floats) -> Floats:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities


def _softmax_max(logits: Floats) -> Floats:
    """Probability of the likeliest class; 0 with one class, which tells nothing."""
    if logits.shape[-1] < 2:
        return np.zeros(logits.shape[:-1])
    best: Floats = _softmax(logits).max(axis=-1)
    return best


def _margin(logits: Floats) -> Floats:
    """Probability of the likeliest class less that of the next; 0 with one class."""
    if logits.shape[-1] < 2:
        return np.zeros(logits.shape[:-1])
    top = np.sort(_softmax(logits), axis=-1)
    difference: Floats = top[..., -1] - top[..., -2]
    return difference


def _entropy(logits: Floats) -> Floats:
    """1 - H / log(classes): 1 for one certain class, 0 for all alike; 0 with one class."""
    classes = logits.shape[-1]
    if classes < 2:
        return np.zeros(logits.shape[:-1])
    probabilities = _softmax(logits)
    surprise = np.where(probabilities > 0, -probabilities * np.log(np.maximum(probabilities, 1e-300)), 0.0)
    certainty: Floats = 1.0 - surprise.sum(axis=-1) / np.log(classes)
    return certainty


def _score(values: Floats) -> Floats:
    best: Floats = values.max(axis=-1)
    return best


_METHODS: dict[str, Callable[[Floats], Floats]] = {
    "SoftmaxMax": _softmax_max,
    "Margin": _margin,
    "Entropy": _entropy,
    "Score": _score,
}
