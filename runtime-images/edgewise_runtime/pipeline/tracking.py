"""Follows boxes from picture to picture by their overlap.

The IoU tracker of E. Bochinski et al., "High-speed tracking-by-detection without using image information", 2017. A
Session without a model: building.py puts one into a pipeline for each step `track`. What it remembers is bounded: so
many cameras, and of each the things it saw within the step's patience, so many at most.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgewise.api.pipeline import Track
from edgewise.api.units import seconds
from edgewise_runtime.engines.base import Array, TensorSpec

CAMERAS = 64
"""Sequences remembered, those last heard of."""
THINGS = 1000
"""Things remembered of each, those last seen."""


@dataclass
class Thing:
    """Something that was seen, where, and when (monotonic)."""

    id: int
    kind: int
    box: Array
    seen: float


@dataclass
class _Camera:
    """One sequence of pictures."""

    things: list[Thing] = field(default_factory=list)
    last_id: int = 0

    def new_id(self) -> int:
        self.last_id += 1
        return self.last_id


class Tracker:
    """Gives each box the id of what it shows. Threads may share it; pictures of one camera must come in their order."""

    platform = "edgewise_tracker"
    provider = ""
    lost = ""
    inputs = (
        TensorSpec("boxes", "FP32", (-1, 4)),
        TensorSpec("class", "INT64", (-1,)),
        TensorSpec("image", "INT64", (-1,)),
        TensorSpec("sequence", "INT64", (1,)),
    )
    outputs = (TensorSpec("id", "INT64", (-1,)),)

    def __init__(self, options: Track, clock: Callable[[], float] = time.monotonic) -> None:
        self._iou, self._patience, self._clock = float(options.iou), seconds(options.patience), clock
        self._cameras: OrderedDict[int, _Camera] = OrderedDict()
        self._lock = threading.Lock()

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        boxes, kinds, images = feeds["boxes"], feeds["class"], feeds["image"]
        ids = np.zeros(len(boxes), np.int64)
        with self._lock:
            camera = self._camera(int(feeds["sequence"][0]))
            for image in np.unique(images):
                rows = np.flatnonzero(images == image)
                ids[rows] = self._followed(camera, boxes[rows], kinds[rows])
        return [ids for _ in outputs]

    def close(self) -> None:
        """Nothing to give back."""

    def _camera(self, sequence: int) -> _Camera:
        camera = self._cameras.setdefault(sequence, _Camera())
        self._cameras.move_to_end(sequence)
        while len(self._cameras) > CAMERAS:
            self._cameras.popitem(last=False)
        return camera

    def _followed(self, camera: _Camera, boxes: Array, kinds: Array) -> list[int]:
        """The id of each box of one picture."""
        now = self._clock()
        camera.things = [thing for thing in camera.things if now - thing.seen <= self._patience]
        known = _pairs(camera.things, boxes, kinds, self._iou)
        found = []
        for row, box in enumerate(boxes):
            thing = known.get(row)
            if thing is None:
                thing = Thing(camera.new_id(), int(kinds[row]), box, now)
                camera.things.append(thing)
            thing.box, thing.seen = box, now
            found.append(thing.id)
        camera.things = sorted(camera.things, key=lambda thing: thing.seen)[-THINGS:]
        return found


def _pairs(things: Sequence[Thing], boxes: Array, kinds: Array, least: float) -> dict[int, Thing]:
    """{row: thing}: the pairs of one class that overlap most, each row and each thing once."""
    if not things or not len(boxes):
        return {}
    overlap = _iou(np.stack([thing.box for thing in things]), boxes)
    overlap[np.array([thing.kind for thing in things])[:, None] != kinds[None, :]] = 0.0
    pairs: dict[int, Thing] = {}
    taken: set[int] = set()
    for place in np.argsort(-overlap, axis=None, kind="stable"):
        at, row = divmod(int(place), len(boxes))
        if overlap[at, row] < least or overlap[at, row] <= 0:
            break
        if row not in pairs and at not in taken:
            pairs[row] = things[at]
            taken.add(at)
    return pairs


def _iou(some: Array, others: Array) -> Array:
    """[len(some), len(others)]: area in common over area in all."""
    a, b = some[:, None].astype(np.float64), others[None].astype(np.float64)
    sides = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0)
    common = sides[..., 0] * sides[..., 1]
    both = np.prod(a[..., 2:] - a[..., :2], axis=-1) + np.prod(b[..., 2:] - b[..., :2], axis=-1) - common
    shares: Array = np.divide(common, both, out=np.zeros_like(common), where=both > 0)
    return shares
