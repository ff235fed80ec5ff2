"""A model with its processing around it: a Session like any other, that takes pictures and gives labels, boxes or text.

The model's own outputs stay there for whoever names them: the confidence is read from them, and another edgewise
device that is asked for help is asked for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgewise.api.names import Reason
from edgewise.api.processing import Processing
from edgewise_runtime.engines.base import Array, ModelLoadError, Session, TensorSpec
from edgewise_runtime.engines.traits import Traits, traits_of
from edgewise_runtime.processing import classes
from edgewise_runtime.processing.readers import Frame, Reader, named_output, reader

if TYPE_CHECKING:
    from PIL.Image import Image

    from edgewise_runtime.processing.intake import Intake

Feeds = Mapping[str, Array]


class ProcessedSession:
    """Owns the session it wraps: closing it closes that one. Pure but for the model's run; threads may share it."""

    def __init__(self, session: Session, processing: Processing) -> None:
        """ModelLoadError where the steps and the model's inputs and outputs do not fit."""
        self._session = session
        self._labels = _labels(processing, traits_of(session).metadata)
        self.intake = _intake(processing, session.inputs)
        self._activations = _activations(processing, session.outputs)
        self._reader = _reader(processing, session.outputs, self._labels)
        self.inputs = tuple(self._public(spec) for spec in session.inputs)
        self.outputs = self._reader.gives if self._reader else tuple(map(self._shown, session.outputs))
        public = {spec.name for spec in self.outputs}
        self.traits = Traits(
            hidden=tuple(spec for spec in session.outputs if spec.name not in public),
            rows_independent=traits_of(session).rows_independent and not (self._reader and self._reader.many),
            steady=traits_of(session).steady and self.intake is None,
            metadata=traits_of(session).metadata,
        )
        self._public_names = public

    @property
    def platform(self) -> str:
        return self._session.platform

    @property
    def provider(self) -> str:
        return self._session.provider

    @property
    def lost(self) -> str:
        return self._session.lost

    @property
    def finds_many(self) -> bool:
        """Whether a picture gives any number of rows, which `image` tells apart."""
        return self._reader is not None and self._reader.many

    @property
    def at_once(self) -> int | None:
        """Pictures that fit into one run; None: any number."""
        return self.intake.at_once if self.intake is not None else 1

    def run(self, feeds: Feeds, outputs: Sequence[str]) -> list[Array]:
        """As any Session. InputRefusedError: a picture is none, broken, or too large."""
        if self.intake is None:
            return self._answer(feeds, (), outputs)
        name = self.intake.spec.name
        rest = {other: array for other, array in feeds.items() if other != name}
        return self.run_on(self.intake.decode(feeds[name]), rest, outputs)

    def run_on(self, images: Sequence[Image], feeds: Feeds, outputs: Sequence[str]) -> list[Array]:
        """The same from images on; a pipeline has them already. `feeds`: the model's other inputs."""
        if self.intake is None:
            raise ValueError("this model takes no pictures")
        views = self.intake.views(images)
        return self._answer({**feeds, self.intake.spec.name: self.intake.tensor(views)}, views, outputs)

    def close(self) -> None:
        self._session.close()

    def _public(self, spec: TensorSpec) -> TensorSpec:
        return self.intake.spec if self.intake and self.intake.spec.name == spec.name else spec

    def _shown(self, spec: TensorSpec) -> TensorSpec:
        """Probabilities are real numbers, whatever the model computes its logits in."""
        return TensorSpec(spec.name, "FP32", spec.shape) if spec.name in self._activations else spec

    def _answer(self, feeds: Feeds, frames: Sequence[Frame], outputs: Sequence[str]) -> list[Array]:
        needs = self._reader.needs if self._reader and not self._public_names.isdisjoint(outputs) else ()
        hidden = [name for name in outputs if not (self._reader and name in self._public_names)]
        names = list(dict.fromkeys([*needs, *hidden]))
        raw = dict(zip(names, self._session.run(feeds, names), strict=True))
        with np.errstate(all="ignore"):  # a model may give infinities; the steps cope, and the log need not be told
            if not self._reader:
                return [self._activated(name, raw[name]) for name in outputs]
            tensors = {name: self._activated(name, raw[name]) for name in needs}
            answers = self._reader.read(tensors, frames) if needs else {}
        return [answers[name] if name in answers else raw[name] for name in outputs]

    def _activated(self, name: str, array: Array) -> Array:
        """Real numbers, after softmax or sigmoid where those were wanted."""
        spec = next(spec for spec in self._session.outputs if spec.name == name)
        if name in self._activations or self._reader is not None:
            array = _real(array, spec)
        for activation in self._activations.get(name, ()):
            array = classes.softmax(array) if activation == "softmax" else classes.sigmoid(array)
        return array


def _real(array: Array, spec: TensorSpec) -> Array:
    """What the integers of a quantised model stand for."""
    if spec.quantization is None or array.dtype.kind not in "iu":
        return array.astype(np.float32) if array.dtype.kind in "iuf" else array
    zero = np.asarray(spec.quantization.zero_points, np.float32)
    scale = np.asarray(spec.quantization.scales, np.float32)
    if scale.size > 1:
        shape = [1] * array.ndim
        shape[spec.quantization.axis] = -1
        zero, scale = zero.reshape(shape), scale.reshape(shape)
    real: Array = (array.astype(np.float32) - zero) * scale
    return real


def _labels(processing: Processing, metadata: Mapping[str, str]) -> list[bytes]:
    if not processing.labels_from:
        return [label.encode() for label in processing.labels]
    if processing.labels_from not in metadata:
        there = ", ".join(sorted(metadata)) or "none"
        raise ModelLoadError(
            Reason.LOAD_FAILED,
            f"processing.labelsFrom: the model's file has no metadata {processing.labels_from!r} (there: {there})",
        )
    return [line.removesuffix("\r").encode() for line in metadata[processing.labels_from].rstrip("\n").split("\n")]


def _intake(processing: Processing, inputs: Sequence[TensorSpec]) -> Intake | None:
    if not processing.pre:
        return None
    from edgewise_runtime.processing.intake import intake  # needs Pillow

    return intake(processing, inputs)


def _activations(processing: Processing, outputs: Sequence[TensorSpec]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for step in processing.post:
        for name, activation in (("softmax", step.softmax), ("sigmoid", step.sigmoid)):
            if activation is not None:
                spec = named_output(outputs, activation.output, 0, f"{name}.output")
                found.setdefault(spec.name, []).append(name)
    return found


def _reader(processing: Processing, outputs: Sequence[TensorSpec], labels: Sequence[bytes]) -> Reader | None:
    step = processing.post[-1] if processing.post else None
    if step is None or step.softmax is not None or step.sigmoid is not None:
        return None
    return reader(step, outputs, labels)
