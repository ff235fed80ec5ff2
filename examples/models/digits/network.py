"""A small convolutional network in plain numpy, so that training needs no deep-learning framework.

Every layer is a convolution with a bias; a dense layer is one whose kernel covers the whole map. Images are NHWC
float32, patches are rows of a matrix, so forward and backward are one matrix product each. Used by training.py and
export.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Shape:
    """One layer: square `kernel` in pixels, `stride`, zero `pad` on each side, `channels` out, `dropout` before it."""

    kernel: int
    stride: int
    pad: int
    channels: int
    dropout: float = 0.0

    def side_out(self, side: int) -> int:
        """Side of the square map that comes out of one with `side` pixels."""
        return (side + 2 * self.pad - self.kernel) // self.stride + 1


@dataclass
class Layer:
    """Weights [kernel*kernel*in, out] with rows in (row, column, channel) order; the rest is kept for backward."""

    shape: Shape
    weight: Array
    bias: Array
    relu: bool
    inputs: tuple[int, ...] = ()
    patches: Array = field(default_factory=lambda: np.empty(0, np.float32))
    alive: NDArray[np.bool_] | None = None
    kept: Array | None = None

    def forward(self, images: Array, rng: np.random.Generator | None) -> Array:
        """[N,H,W,C] to [N,OH,OW,channels]; with `rng`, as in training, some inputs are dropped."""
        self.inputs, self.kept = images.shape, None
        if rng is not None and self.shape.dropout:
            kept = rng.random(images.shape, np.float32) >= self.shape.dropout
            self.kept = kept.astype(np.float32) / np.float32(1 - self.shape.dropout)
            images = images * self.kept
        self.patches = unfold(images, self.shape)
        out = self.patches @ self.weight + self.bias
        if self.relu:
            self.alive = out > 0
            out *= self.alive
        side = self.shape.side_out(images.shape[1])
        return out.reshape(len(images), side, side, self.shape.channels)

    def backward(self, gradient: Array) -> tuple[Array, Array, Array]:
        """Gradients by patch, weight and bias, for the images of the last forward."""
        flat = gradient.reshape(-1, self.shape.channels)
        if self.alive is not None:
            flat = flat * self.alive
        return flat, self.patches.T @ flat, flat.sum(axis=0)

    def input_gradient(self, flat: Array) -> Array:
        """Gradient by input image; apart from backward because the first layer's is never needed, and costly."""
        gradient = fold(flat @ self.weight.T, self.inputs, self.shape)
        return gradient if self.kept is None else gradient * self.kept


def unfold(images: Array, shape: Shape) -> Array:
    """Every kernel-sized patch as a row: [N*OH*OW, kernel*kernel*C]."""
    edge = ((0, 0), (shape.pad, shape.pad), (shape.pad, shape.pad), (0, 0))
    padded = np.pad(images, edge) if shape.pad else images
    windows = np.lib.stride_tricks.sliding_window_view(padded, (shape.kernel, shape.kernel), axis=(1, 2))
    strided = windows[:, :: shape.stride, :: shape.stride].transpose(0, 1, 2, 4, 5, 3)
    return strided.reshape(-1, shape.kernel * shape.kernel * images.shape[3])


def fold(rows: Array, inputs: tuple[int, ...], shape: Shape) -> Array:
    """The transpose of unfold: adds each patch back where it came from, and cuts the padding off."""
    count, side, _, channels = inputs
    out = shape.side_out(side)
    patches = rows.reshape(count, out, out, shape.kernel, shape.kernel, channels)
    step = shape.stride
    padded = np.zeros((count, side + 2 * shape.pad, side + 2 * shape.pad, channels), np.float32)
    reach = step * (out - 1) + 1
    for row in range(shape.kernel):
        for column in range(shape.kernel):
            target = padded[:, row : row + reach : step, column : column + reach : step]
            target += patches[:, :, :, row, column]
    return padded[:, shape.pad : shape.pad + side, shape.pad : shape.pad + side]


class Network:
    """A chain of layers with ReLU after all but the last."""

    def __init__(self, shapes: Sequence[Shape], rng: np.random.Generator) -> None:
        """He initialisation (He et al. 2015, eq. 10): variance 2 / fan-in."""
        self.layers: list[Layer] = []
        channels = 1
        for index, shape in enumerate(shapes):
            fan_in = shape.kernel * shape.kernel * channels
            weight = rng.standard_normal((fan_in, shape.channels), np.float32) * np.float32(np.sqrt(2 / fan_in))
            bias = np.zeros(shape.channels, np.float32)
            self.layers.append(Layer(shape, weight, bias, relu=index < len(shapes) - 1))
            channels = shape.channels

    @property
    def parameters(self) -> list[Array]:
        """Weight and bias of each layer, in order; the optimiser changes them in place."""
        return [array for layer in self.layers for array in (layer.weight, layer.bias)]

    def logits(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        """[N,28,28,1] to [N,10]."""
        for layer in self.layers:
            images = layer.forward(images, rng)
        return images.reshape(len(images), -1)

    def gradients(self, gradient: Array) -> list[Array]:
        """From the gradient by logits to those of `parameters`, in the same order."""
        found: list[Array] = []
        for layer in reversed(self.layers):
            flat, by_weight, by_bias = layer.backward(gradient)
            found[:0] = [by_weight, by_bias]
            if layer is not self.layers[0]:
                gradient = layer.input_gradient(flat)
        return found

    def forget(self) -> None:
        """Drops what was kept for backward, so that the network is small to hand to another process."""
        for layer in self.layers:
            layer.patches, layer.alive, layer.kept = np.empty(0, np.float32), None, None
