"""Connectionist temporal classification, read greedily: the best class of each step, without repeats and blanks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise_runtime.engines.base import Array

BLANK = 0


def decode(scores: Array, alphabet: Sequence[bytes]) -> tuple[Array, Array]:
    """(text BYTES [n], score FP32 [n]) of `scores` [n, steps, classes]. Class c is alphabet[c - 1]; 0 is the blank.

    The score is the mean of the characters' own; 0 where there is no character."""
    best = scores.argmax(axis=-1)
    before = np.concatenate([np.full((len(best), 1), BLANK), best[:, :-1]], axis=1)
    read = (best != BLANK) & (best != before) & (best <= len(alphabet))
    chances = np.take_along_axis(scores, best[..., None], axis=-1)[..., 0]
    texts = np.empty(len(best), dtype=object)
    texts[:] = [b"".join(alphabet[c - 1] for c in row[kept]) for row, kept in zip(best, read, strict=True)]
    counts = read.sum(axis=1)
    total = np.where(read, chances, 0).sum(axis=1)
    return texts, (total / np.maximum(counts, 1)).astype(np.float32)
