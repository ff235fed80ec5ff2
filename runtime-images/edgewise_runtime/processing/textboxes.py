"""Where text stands, from a map of probabilities: differentiable binarisation (M. Liao et al., arXiv 1911.08947)."""

from __future__ import annotations

import numpy as np

from edgewise.api.processing import TextBoxes
from edgewise_runtime.engines.base import Array
from edgewise_runtime.processing.rectangles import Floats, Rectangle, around
from edgewise_runtime.processing.regions import regions

_LEAST_SIDE = 3  # pixels of the map: smaller regions are noise
_UPRIGHT = 1.5  # a box so many times as high as wide holds a line that runs from top to bottom


def find(chances: Array, options: TextBoxes) -> tuple[Array, Array]:
    """(quads FP32 [m, 4, 2] in pixels of the map, score FP32 [m]) of a map [height, width], in reading order."""
    found: list[tuple[float, Rectangle]] = []
    unclip = float(options.unclip)
    for region in regions(chances > float(options.threshold), options.limit, _LEAST_SIDE):
        core = around(region)
        if min(core.width, core.height) < _LEAST_SIDE - 1 or core.width * core.height <= 0:
            continue
        score = _mean_inside(chances, core)
        if score >= float(options.min_score):
            found.append((score, core.grown(core.width * core.height * unclip / (2 * (core.width + core.height)))))
    found = _in_reading_order(found)
    quads = np.array([_from_top_left(box) for _, box in found], np.float32).reshape(-1, 4, 2)
    return quads, np.array([score for score, _ in found], np.float32)


def _mean_inside(chances: Array, box: Rectangle) -> float:
    corners = box.corners()
    left, top = np.floor(corners.min(axis=0)).astype(int).clip(0)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 1
    window = chances[top:bottom, left:right]
    x = np.arange(left, left + window.shape[1]) - box.centre[0]
    y = (np.arange(top, top + window.shape[0]) - box.centre[1])[:, None]
    inside = (np.abs(x * box.along[0] + y * box.along[1]) <= box.width / 2 + 0.5) & (
        np.abs(x * box.across[0] + y * box.across[1]) <= box.height / 2 + 0.5
    )
    return float(window[inside].mean()) if inside.any() else 0.0


def _from_top_left(box: Rectangle) -> Floats:
    """Corners clockwise from the top left one of the text, which in an upright box is the one at the top right."""
    corners = box.corners()
    return np.roll(corners, -1, axis=0) if box.height >= _UPRIGHT * box.width else corners


def _in_reading_order(found: list[tuple[float, Rectangle]]) -> list[tuple[float, Rectangle]]:
    """Line by line, each from the left: a box belongs to the line whose first box is at most half its height above."""
    ordered = sorted(found, key=lambda one: one[1].centre[1])
    lines: list[list[tuple[float, Rectangle]]] = []
    for one in ordered:
        box = one[1]
        if lines and box.centre[1] - lines[-1][0][1].centre[1] <= min(box.height, lines[-1][0][1].height) / 2:
            lines[-1].append(one)
        else:
            lines.append([one])
    return [one for line in lines for one in sorted(line, key=lambda other: other[1].centre[0])]
