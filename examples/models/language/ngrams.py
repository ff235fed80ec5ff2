"""A classifier of texts by the runs of bytes in them: one row of weights for each hashed n-gram. Plain numpy.

The features of fastText's language identification (Joulin et al. 2017) without its hidden layer. Used by train.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from examples.models.digits.network import Array
from examples.models.digits.training import Adam, softmax
from examples.models.language.data import LANGUAGES, Bytes

BASE = 257
"""Of the hash: bytes are its digits, modulo a prime number of buckets."""


@dataclass(frozen=True)
class Grams:
    """Runs of `length` bytes, hashed into `buckets`."""

    length: int
    buckets: int


@dataclass(frozen=True)
class Recipe:
    """How one model is made."""

    grams: Sequence[Grams]
    epochs: int
    rate: float
    decay: float
    batch: int = 64


@dataclass
class Classifier:
    """`tables`: for each of `grams` weights [buckets + 1, languages], row 0 for what lies beyond the text; `bias`."""

    grams: Sequence[Grams]
    tables: list[Array]
    bias: Array


def indices(text: Bytes, grams: Grams) -> NDArray[np.int64]:
    """[N, WIDTH] to rows of the table [N, WIDTH - length + 1]; 0 where the run ends beyond the text."""
    places = text.shape[1] - grams.length + 1
    hashed = np.zeros((len(text), places), np.int64)
    for offset in range(grams.length):
        hashed = hashed * BASE + text[:, offset : offset + places]
    inside = text[:, grams.length - 1 :] > 0
    return np.where(inside, hashed % grams.buckets + 1, 0)


def features(text: Bytes, grams: Sequence[Grams]) -> Array:
    """How often each n-gram is there, [N, all rows of all tables], over the root of how many there are."""
    parts = []
    for each in grams:
        counts = np.zeros((len(text), each.buckets + 1), np.float32)
        found = indices(text, each)
        np.add.at(counts, (np.arange(len(text))[:, None], found), 1.0)
        counts[:, 0] = 0
        parts.append(counts)
    joined = np.concatenate(parts, axis=1)
    return np.asarray(joined / np.sqrt(np.maximum(joined.sum(axis=1, keepdims=True), 1)), np.float32)


def train(text: Bytes, labels: NDArray[np.int64], recipe: Recipe, seed: int) -> Classifier:
    """Softmax regression by Adam with a cosine rate. Same recipe, data and seed, same machine: same weights."""
    rng = np.random.default_rng(seed)
    inputs, wanted = features(text, recipe.grams), np.eye(len(LANGUAGES), dtype=np.float32)[labels]
    weight = np.zeros((inputs.shape[1], len(LANGUAGES)), np.float32)
    bias = np.zeros(len(LANGUAGES), np.float32)
    optimiser = Adam([weight, bias], recipe.decay)
    for epoch in range(recipe.epochs):
        order = rng.permutation(len(inputs))
        for start in range(0, len(order), recipe.batch):
            chosen = order[start : start + recipe.batch]
            rate = recipe.rate * 0.5 * (1 + np.cos(np.pi * (epoch + start / len(order)) / recipe.epochs))
            error = (softmax(inputs[chosen] @ weight + bias) - wanted[chosen]) / np.float32(len(chosen))
            optimiser.update([inputs[chosen].T @ error, error.sum(axis=0)], float(rate))
    ends = np.cumsum([each.buckets + 1 for each in recipe.grams])[:-1]
    tables = np.split(weight, ends)
    for table in tables:
        table[0] = 0
    return Classifier(recipe.grams, tables, bias)
