"""Pictures to the model's input: normalise and toTensor in one pass.

A channel has 256 possible values, so whatever is to be done to them is a table of 256 entries: exact, and one look-up
a pixel whether the model takes FP32 or INT8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.api.processing import Normalise
from edgewise_runtime.engines.base import Array, InputRefusedError
from edgewise_runtime.processing.pictures import Picture

_ORDERS = {"RGB": (0, 1, 2), "BGR": (2, 1, 0)}


@dataclass(frozen=True)
class Stacking:
    """How the model wants its pictures."""

    colour: str
    layout: str
    tables: tuple[Array, ...]
    """One of 256 values for each channel, in the model's order and datatype."""

    @property
    def channels(self) -> int:
        return len(self.tables)

    def stack(self, batch: Sequence[Picture]) -> Array:
        """[n, channels, height, width] or [n, height, width, channels]. InputRefusedError: they are not alike."""
        width, height = batch[0].image.size
        if any(picture.image.size != (width, height) for picture in batch):
            raise InputRefusedError("the pictures of one request come out in different sizes; send them one by one")
        first = self.layout == "CHW"
        shape = (self.channels, height, width) if first else (height, width, self.channels)
        tensor = np.empty((len(batch), *shape), self.tables[0].dtype)
        for picture, out in zip(batch, tensor, strict=True):
            self._fill(picture, out if first else out.transpose(2, 0, 1))
        return tensor

    def _fill(self, picture: Picture, planes: Array) -> None:
        if self.colour == "Grey":
            _look_up(self.tables[0], np.asarray(picture.image.convert("L")), planes[0])
            return
        pixels = np.asarray(picture.image)
        for plane, source, table in zip(planes, _ORDERS[self.colour], self.tables, strict=True):
            _look_up(table, pixels[:, :, source], plane)


def _look_up(table: Array, pixels: Array, out: Array) -> None:
    """Less than half the time of table[pixels]: no index of eight bits can be out of range, so none is checked."""
    np.take(table, pixels, out=out, mode="clip")


def tables(normalise: Normalise | None, channels: int, dtype: np.dtype[Any]) -> tuple[Array, ...]:
    """The 256 values of each channel. ValueError where mean or std have neither one number nor one for each, or where
    they make numbers that the datatype does not hold."""
    values = np.arange(256, dtype=np.float64)
    if normalise is None:
        return (_cast(values, dtype),) * channels
    mean, std = _each(normalise.mean, 0.0, channels, "mean"), _each(normalise.std, 1.0, channels, "std")
    scaled = values / float(normalise.scale)
    return tuple(_cast((scaled - m) / s, dtype) for m, s in zip(mean, std, strict=True))


def _each(given: Sequence[str], otherwise: float, channels: int, name: str) -> list[float]:
    numbers = [float(text) for text in given] or [otherwise]
    if len(numbers) not in (1, channels):
        raise ValueError(f"normalise.{name} has {len(numbers)} numbers, the model takes {channels} channels")
    return numbers * channels if len(numbers) == 1 else numbers


def _cast(values: Array, dtype: np.dtype[Any]) -> Array:
    if dtype.kind not in "iu":
        if (largest := float(np.abs(values).max())) > float(np.finfo(dtype).max):
            raise ValueError(f"normalise gives numbers up to {largest:g}, more than {dtype} holds")
        return values.astype(dtype)
    bounds = np.iinfo(dtype)
    return np.clip(np.rint(values), bounds.min, bounds.max).astype(dtype)
