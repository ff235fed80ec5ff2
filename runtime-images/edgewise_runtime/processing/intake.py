"""The steps before a model, made ready at load: bytes of pictures in, the model's input tensor out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from edgewise.api.names import Reason
from edgewise.api.processing import Normalise, PreStep, Processing, ToTensor
from edgewise_runtime.engines.base import Array, InputRefusedError, ModelLoadError, TensorSpec
from edgewise_runtime.processing import pictures
from edgewise_runtime.processing.images import Size, applied, final_size, sizes
from edgewise_runtime.processing.pictures import Picture
from edgewise_runtime.processing.tensors import Stacking, tables
from edgewise_runtime.protocol.datatypes import BYTES, dtype_of


@dataclass(frozen=True)
class Intake:
    """Of one model input. Knows nothing of the others."""

    spec: TensorSpec
    """What clients see: BYTES [n], or [1] where the model takes one picture at a time."""
    max_pixels: int
    steps: tuple[PreStep, ...]
    stacking: Stacking

    @property
    def at_once(self) -> int | None:
        """Pictures that fit into one run, of whatever sizes; None: any number."""
        alike = any(step.pad for step in self.steps) or None not in final_size(self.steps)
        batch = self.spec.shape[0] if alike else 1
        if batch != -1:
            return batch
        return min((self.max_pixels // (width * height) for width, height in _known_sizes(self.steps)), default=None)

    def decode(self, items: Array) -> list[Image.Image]:
        """InputRefusedError: see pictures.decode."""
        return pictures.decode(items.ravel(), self.max_pixels)

    def views(self, images: Sequence[Image.Image]) -> list[Picture]:
        """The pictures as the model will see them. InputRefusedError: together they come to too much on the way."""
        batch = [Picture.whole(image) for image in images]
        for step in self.steps:
            self._afford(sizes(step, batch))
            batch = applied(step, batch)
        return batch

    def tensor(self, views: Sequence[Picture]) -> Array:
        """InputRefusedError: they have different sizes."""
        return self.stacking.stack(views)

    def _afford(self, batch: Sequence[Size]) -> None:
        pixels = sum(width * height for width, height in batch)
        if pixels > self.max_pixels:
            raise InputRefusedError(
                f"the pictures of this request come to {pixels} pixels, more than processing.pre decodeImage.maxPixels"
                f" ({self.max_pixels}) allows; send fewer at once, and none that is very narrow"
            )


def intake(processing: Processing, inputs: Sequence[TensorSpec]) -> Intake:
    """`pre` in the order that api/processing.py demands. ModelLoadError where the model's input is none of pictures."""
    pre, model_input = processing.pre, _input(inputs, processing.input)
    decoding = pre[0].decode_image
    layout = (pre[-1].to_tensor or ToTensor()).layout
    normalise = next((step.normalise for step in pre if step.normalise is not None), None)
    if decoding is None:
        raise ModelLoadError(Reason.LOAD_FAILED, "processing.pre must begin with decodeImage")
    channels = 1 if decoding.colour == "Grey" else 3
    steps = tuple(step for step in pre if step.resize or step.crop or step.pad)
    _check_sizes(steps, decoding.max_pixels)
    _check(model_input, layout, channels, final_size(steps))
    stacking = Stacking(decoding.colour, layout, _tables(normalise, channels, model_input))
    spec = TensorSpec(model_input.name, BYTES, (model_input.shape[0],))
    return Intake(spec, decoding.max_pixels, steps, stacking)


def _tables(normalise: Normalise | None, channels: int, spec: TensorSpec) -> tuple[Array, ...]:
    """Where the model takes integers that stand for real numbers, the normalised values are written so."""
    meaning = spec.quantization
    if normalise is None and spec.datatype == "INT8":
        raise ModelLoadError(
            Reason.LOAD_FAILED,
            f"processing.pre gives pixels from 0 to 255, and the model's input {spec.name} is INT8, which ends at 127;"
            " add normalise",
        )
    try:
        if normalise is None or meaning is None:
            return tables(normalise, channels, dtype_of(spec.datatype))
        real = tables(normalise, channels, np.dtype(np.float64))
    except ValueError as error:
        raise ModelLoadError(Reason.LOAD_FAILED, f"processing.pre: {error}") from error
    bounds = np.iinfo(dtype_of(spec.datatype))
    written = (np.rint(table / meaning.scales[0]) + meaning.zero_points[0] for table in real)
    return tuple(table.clip(bounds.min, bounds.max).astype(dtype_of(spec.datatype)) for table in written)


def _check_sizes(steps: Sequence[PreStep], max_pixels: int) -> None:
    """Else every request would be refused."""
    for width, height in _known_sizes(steps):
        if width * height > max_pixels:
            raise ModelLoadError(
                Reason.LOAD_FAILED,
                f"processing.pre makes pictures of {width} x {height} pixels, more than its decodeImage.maxPixels of"
                f" {max_pixels} allows",
            )


def _known_sizes(steps: Sequence[PreStep]) -> list[Size]:
    """After each step that leaves all pictures in one size."""
    made = (final_size(steps[:count]) for count in range(1, len(steps) + 1))
    return [(width, height) for width, height in made if width is not None and height is not None]


def _check(spec: TensorSpec, layout: str, channels: int, size: tuple[int | None, int | None]) -> None:
    if spec.datatype in (BYTES, "BOOL") or len(spec.shape) != 4:
        raise ModelLoadError(
            Reason.LOAD_FAILED,
            f"processing.pre makes pictures, and the model's input {spec.name} is {spec.datatype} {list(spec.shape)}:"
            " it needs four dimensions of numbers",
        )
    width, height = size[0] or -1, size[1] or -1
    made = (channels, height, width) if layout == "CHW" else (height, width, channels)
    if any(want not in (-1, have) and have != -1 for want, have in zip(spec.shape[1:], made, strict=True)):
        raise ModelLoadError(
            Reason.LOAD_FAILED,
            f"processing.pre makes {layout} tensors of {list(made)} (-1: any), the model's input {spec.name} is"
            f" {list(spec.shape)}; see decodeImage.colour, resize, crop, pad and toTensor.layout",
        )


def _input(inputs: Sequence[TensorSpec], name: str) -> TensorSpec:
    found = [spec for spec in inputs if not name or spec.name == name]
    if len(found) == 1:
        return found[0]
    wrong = f"{name!r} is none of" if name else "has to name one of"
    there = ", ".join(spec.name for spec in inputs)
    raise ModelLoadError(Reason.LOAD_FAILED, f"processing.input {wrong} the model's inputs: {there}")
