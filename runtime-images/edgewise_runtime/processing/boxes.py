"""Non-maximum suppression: of boxes that overlap, the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewise.api.processing import NonMaximumSuppression
from edgewise_runtime.engines.base import Array

_CANDIDATES = 4096  # the best, before they are compared: each step is a pass over all of them


@dataclass(frozen=True)
class Found:
    """Boxes of one picture, best first."""

    corners: Array
    """[m, 4] left, top, right, bottom, in the unit of the model."""
    scores: Array
    classes: Array


def least_scores(options: NonMaximumSuppression) -> int:
    """Numbers that have to stand beside each box."""
    return options.objectness + (2 if options.scoring == "Best" else 1)


def candidates(boxes: Array, scores: Array, options: NonMaximumSuppression) -> Found:
    """One for each of `boxes` [m, 4] whose best class reaches minScore. NaN is no object.

    `scores`: [m, classes], or [m, 2] with the scoring Best; before them one more column with objectness. ValueError
    where a model that did not say so beforehand gives fewer numbers."""
    if boxes.shape[1] < 4 or scores.shape[1] < least_scores(options):
        raise ValueError(
            f"nms needs 4 numbers a box and {least_scores(options)} scores; the model gave {boxes.shape[1]} and"
            f" {scores.shape[1]}: see nms.layout"
        )
    objectness = scores[:, 0] if options.objectness else 1.0
    scores = scores[:, int(options.objectness) :]
    if not scores.size:
        return Found(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    if options.scoring == "Best":
        best, classes = scores[:, 0], np.nan_to_num(scores[:, 1]).clip(0, 2**31).astype(np.int64)
    else:
        classes = scores.argmax(axis=1)
        best = np.take_along_axis(scores, classes[:, None], axis=1)[:, 0]
    best = best * objectness
    kept = np.flatnonzero((best >= float(options.min_score)) & np.isfinite(boxes).all(axis=1))
    kept = kept[np.argsort(-best[kept], kind="stable")][:_CANDIDATES]
    return Found(_corners(boxes[kept], options.coordinates), best[kept].astype(np.float32), classes[kept])


def suppressed(found: Found, iou: float, limit: int) -> Found:
    """Goes through `found` from the best on; drops what overlaps a kept box of its class by more than `iou`."""
    corners = found.corners.astype(np.float64)
    areas = np.prod(np.maximum(corners[:, 2:] - corners[:, :2], 0), axis=1)
    open_ = np.arange(len(corners))
    kept: list[int] = []
    while open_.size and len(kept) < limit:
        best, rest = open_[0], open_[1:]
        kept.append(int(best))
        overlap = _overlap(corners[best], corners[rest])
        same = found.classes[rest] == found.classes[best]
        open_ = rest[~(same & (overlap > iou * (areas[best] + areas[rest] - overlap)))]
    return Found(found.corners[kept], found.scores[kept], found.classes[kept].astype(np.int64))


def _overlap(one: Array, others: Array) -> Array:
    """Area shared by one box [4] and each of `others` [m, 4]."""
    sides = np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2])
    area: Array = np.prod(np.maximum(sides, 0), axis=1)
    return area


def _corners(boxes: Array, coordinates: str) -> Array:
    boxes = boxes.astype(np.float32)
    if coordinates == "Corners":
        return boxes
    half = boxes[:, 2:] * 0.5
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
