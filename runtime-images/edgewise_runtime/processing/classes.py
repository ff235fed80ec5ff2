"""Class scores to classes: softmax, sigmoid, topK."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise_runtime.engines.base import Array


def softmax(logits: Array) -> Array:
    """Over the last dimension: exp(x) / sum(exp(x)), shifted by the largest so that nothing overflows."""
    with np.errstate(invalid="ignore"):
        shifted = np.exp(logits - logits.max(axis=-1, keepdims=True)) if logits.size else logits
        result: Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def sigmoid(logits: Array) -> Array:
    """1 / (1 + exp(-x)), by way of tanh, which never overflows."""
    result: Array = (np.tanh(logits * 0.5) + 1) * 0.5
    return result


def top_k(scores: Array, k: int) -> tuple[Array, Array]:
    """(class INT64, score) of the `k` best in each row [n, classes], best first; of equal ones the lower class."""
    order = np.argsort(-scores, axis=-1, kind="stable")[:, :k]
    return order.astype(np.int64), np.take_along_axis(scores, order, axis=-1)


def named(classes: Array, labels: Sequence[bytes]) -> Array:
    """The label of each class, as BYTES; the number itself where there is none."""
    names = np.empty(classes.size, dtype=object)
    names[:] = [labels[c] if c < len(labels) else b"%d" % c for c in classes.ravel().tolist()]
    return names.reshape(classes.shape)
