"""Trains a network on digit images: cross-entropy, Adam, cosine learning rate, affine distortions. Used by train.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from examples.models.digits.network import Array, Network, Shape


@dataclass(frozen=True)
class Recipe:
    """How one model is made. `distortion` scales the augmentation, 0 is none."""

    shapes: Sequence[Shape]
    epochs: int
    distortion: float
    seed: int
    batch: int = 64
    rate: float = 2e-3
    decay: float = 1e-4


class Adam:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2); decays matrices, not biases."""

    def __init__(self, parameters: list[Array], decay: float) -> None:
        self.parameters, self.decay, self.step = parameters, decay, 0
        self.mean = [np.zeros_like(array) for array in parameters]
        self.square = [np.zeros_like(array) for array in parameters]

    def update(self, gradients: list[Array], rate: float) -> None:
        """One step at learning rate `rate`."""
        self.step += 1
        correction = float(np.sqrt(1 - 0.999**self.step) / (1 - 0.9**self.step))
        for array, gradient, mean, square in zip(self.parameters, gradients, self.mean, self.square, strict=True):
            mean += np.float32(0.1) * (gradient - mean)
            square += np.float32(0.001) * (gradient * gradient - square)
            if array.ndim > 1:
                array *= np.float32(1 - rate * self.decay)
            array -= np.float32(rate * correction) * mean / (np.sqrt(square) + np.float32(1e-8))


def distort(images: Array, strength: float, rng: np.random.Generator) -> Array:
    """A random small rotation, scale, shear and shift of each [N,28,28,1] image, sampled bilinearly.

    At strength 1: rotation +-12 degrees, scale +-12 %, shear +-0.15, shift +-2 pixels, the ranges common for MNIST.
    """
    if not strength:
        return images
    count, side = len(images), images.shape[1]
    chance = rng.uniform(-strength, strength, (6, count, 1, 1)).astype(np.float32)
    centre = np.float32((side - 1) / 2)
    rows, columns = np.mgrid[:side, :side].astype(np.float32) - centre
    angle = chance[0] * np.float32(np.radians(12))
    cos, sin = np.cos(angle), np.sin(angle)
    y = (cos * rows - sin * columns) * (1 + 0.12 * chance[1])
    x = (sin * rows + cos * columns) * (1 + 0.12 * chance[2]) + 0.15 * chance[3] * rows
    return sample(images[..., 0], y + centre + 2 * chance[4], x + centre + 2 * chance[5])[..., None]


def sample(images: Array, y: Array, x: Array) -> Array:
    """Bilinear values of [N,H,W] images at [N,H,W] coordinates, black outside."""
    side = images.shape[1]
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2)))
    y, x = np.clip(y + 1, 0, side + 1), np.clip(x + 1, 0, side + 1)
    top, left = y.astype(np.intp), x.astype(np.intp)
    down, right = y - top, x - left
    width = side + 3
    start = np.arange(len(images))[:, None, None] * width * width + top * width + left
    flat = padded.reshape(-1)
    upper = flat[start] * (1 - right) + flat[start + 1] * right
    lower = flat[start + width] * (1 - right) + flat[start + width + 1] * right
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def softmax(logits: Array) -> Array:
    """Row-wise, shifted by the maximum so that nothing overflows."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def train(images: Array, labels: NDArray[np.int64], recipe: Recipe) -> Network:
    """Trains on [N,28,28,1] images in 0..1. Same recipe and data, same machine: same weights."""
    rng = np.random.default_rng(recipe.seed)
    network = Network(recipe.shapes, rng)
    optimiser = Adam(network.parameters, recipe.decay)
    wanted = np.eye(10, dtype=np.float32)[labels]
    for epoch in range(recipe.epochs):
        seen = distort(images, recipe.distortion, rng)
        order = rng.permutation(len(images))
        for start in range(0, len(order), recipe.batch):
            chosen = order[start : start + recipe.batch]
            progress = (epoch + start / len(order)) / recipe.epochs
            rate = recipe.rate * min(1.0, 20 * progress + 0.05) * 0.5 * (1 + np.cos(np.pi * progress))
            error = softmax(network.logits(seen[chosen], rng)) - wanted[chosen]
            optimiser.update(network.gradients(error / np.float32(len(chosen))), float(rate))
    network.forget()
    return network
