"""Connected regions of a bitmap, without a library for images: runs of each row, joined where rows touch.

Called by textboxes.py. Everything but the last step works on all runs at once, so the cost follows the outline of the
text and not its area.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Runs:
    """Stretches of set pixels, in reading order."""

    row: Ints
    start: Ints
    end: Ints
    """Exclusive."""


def regions(bitmap: NDArray[np.bool_], most: int, least_side: int) -> Iterator[Runs]:
    """The `most` largest regions (8-connected) that are at least `least_side` wide and high, largest first."""
    runs = _runs(bitmap)
    if not runs.row.size:
        return
    region = _joined(runs, bitmap.shape[1])
    order = np.argsort(region, kind="stable")
    bounds = np.flatnonzero(np.diff(region[order], prepend=-1))
    sides, area = _extent(runs, order, bounds)
    enough = np.flatnonzero(sides >= least_side)
    ends = np.append(bounds[1:], order.size)
    for index in enough[np.argsort(-area[enough], kind="stable")][:most]:
        own = order[bounds[index] : ends[index]]
        yield Runs(runs.row[own], runs.start[own], runs.end[own])


def _extent(runs: Runs, order: Ints, bounds: Ints) -> tuple[Ints, Ints]:
    """(shorter side of the upright box, number of pixels) of each region."""

    def folded(by: Any, values: Ints) -> Ints:
        result: Ints = by.reduceat(values[order], bounds)
        return result

    width = folded(np.maximum, runs.end) - folded(np.minimum, runs.start)
    height = folded(np.maximum, runs.row) - folded(np.minimum, runs.row) + 1
    return np.minimum(width, height), folded(np.add, runs.end - runs.start)


def _runs(bitmap: NDArray[np.bool_]) -> Runs:
    height, width = bitmap.shape
    framed = np.zeros((height, width + 2), np.int8)
    framed[:, 1:-1] = bitmap
    edges = np.diff(framed, axis=1).ravel()
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return Runs(starts // (width + 1), starts % (width + 1), ends % (width + 1))


def _joined(runs: Runs, width: int) -> Ints:
    """The region of each run: the lowest index among the runs it is connected with."""
    above, below = _touching(runs, width + 2)
    region = np.arange(runs.row.size)
    while True:
        first, second = region[above], region[below]
        apart = first != second
        if not apart.any():
            return region
        low, high = np.minimum(first, second)[apart], np.maximum(first, second)[apart]
        np.minimum.at(region, high, low)
        while (closer := region[region] != region).any():
            region = np.where(closer, region[region], region)


def _touching(runs: Runs, stride: int) -> tuple[Ints, Ints]:
    """Index pairs of runs in neighbouring rows that touch, corners included. `stride`: more than a row is wide."""
    starts, ends = runs.row * stride + runs.start, runs.row * stride + runs.end
    below = (runs.row + 1) * stride
    first = np.searchsorted(ends, below + runs.start, side="left")
    after = np.searchsorted(starts, below + runs.end, side="right")
    counts = np.maximum(after - first, 0)
    upper = np.repeat(np.arange(runs.row.size), counts)
    offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return upper, np.repeat(first, counts) + offset
