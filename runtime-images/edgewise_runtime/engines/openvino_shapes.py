"""Refuses shapes that a model cannot take, before it runs. Used by the OpenVINO engine.

OpenVINO's CPU device with a single thread (2026.4) does not look: a Reshape of too few numbers reads beyond them, into
other people's memory or to the process's end. Its shape inference does look, without computing anything. Where the
wanted shape itself comes in as a tensor it cannot know: such a model belongs on a device with two cores.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any

from edgewise_runtime.engines.base import TensorSpec

KEPT = 256

Shapes = tuple[tuple[int, ...], ...]
"""Of each input, in the model's order."""


class ShapeCheck:
    """What one model says of shapes; the KEPT latest good ones are remembered. Thread-safe."""

    def __init__(self, model: Any, inputs: Sequence[TensorSpec]) -> None:
        self._model = model if any(-1 in spec.shape for spec in inputs) else None  # else there is nothing to ask
        self._known: OrderedDict[Shapes, None] = OrderedDict()
        self._lock = Lock()

    def __call__(self, shapes: Shapes) -> None:
        """RuntimeError, as OpenVINO tells it, where no run with these shapes can be right."""
        if self._model is None:
            return
        with self._lock:
            if shapes in self._known:
                self._known.move_to_end(shapes)
                return
            self._model.clone().reshape(dict(enumerate(shapes)))
            self._known[shapes] = None
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
