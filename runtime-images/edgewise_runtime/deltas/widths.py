"""How wide the numbers of a stretch are and where the first one begins, told by trial: weights lie anywhere in a file.

Every few thousand bytes the ways are compared by how much information is left: numbers of 1, 2 or 4 bytes, from each
place they could begin at, as differences from the old file or by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise_runtime.deltas import planes
from edgewise_runtime.deltas.alignment import Stretch
from edgewise_runtime.deltas.planes import WIDTHS
from edgewise_runtime.deltas.runs import Run
from edgewise_runtime.deltas.streams import Bytes

CELL = 4096
_BATCH = 256
"""Cells judged at once: bounds the memory."""
_SWITCH_BITS = 96.0
"""What another way has to save in a cell: a run more costs about as much."""


@dataclass(frozen=True)
class Way:
    """Numbers of `width` bytes that begin where place % width == phase."""

    width: int
    phase: int
    based: bool


def runs_of(stretch: Stretch, new: Bytes, old: Bytes) -> Iterator[Run]:
    """The stretch in runs, each in its best way."""
    size = stretch.end - stretch.start
    for first in range(0, size, CELL * _BATCH):
        start = stretch.start + first
        yield from _judged(Stretch(start, min(start + CELL * _BATCH, stretch.end), stretch.shift), new, old)


def _judged(stretch: Stretch, new: Bytes, old: Bytes) -> Iterator[Run]:
    ways = [
        Way(width, phase, based)
        for based in ((True, False) if stretch.shift is not None else (False,))
        for width in WIDTHS
        for phase in range(width)
    ]
    costs = np.stack([_costs(stretch, new, old, way) for way in ways])
    start, chosen = stretch.start, int(np.argmin(costs[:, 0]))
    for cell in range(costs.shape[1]):
        best = int(np.argmin(costs[:, cell]))
        if costs[best, cell] + _SWITCH_BITS < costs[chosen, cell]:
            border = stretch.start + cell * CELL
            yield from _run(stretch, start, border, ways[chosen])
            start, chosen = border, best
    yield from _run(stretch, start, stretch.end, ways[chosen])


def _run(stretch: Stretch, start: int, end: int, way: Way) -> Iterator[Run]:
    """Bytes up to where the first number begins, the numbers, and the bytes behind the last one."""
    begin = min(end, start + (way.phase - start) % way.width)
    finish = begin + (end - begin) // way.width * way.width
    base = start + stretch.shift if way.based and stretch.shift is not None else None
    whole = Run(start, end - start, 1, base)
    for first, last, width in ((start, begin, 1), (begin, finish, way.width), (finish, end, 1)):
        if first < last:
            yield whole.part(first, last, width)


def _costs(stretch: Stretch, new: Bytes, old: Bytes, way: Way) -> NDArray[np.float64]:
    """Bits that each cell is worth in this way."""
    cells = -(-(stretch.end - stretch.start) // CELL)
    skip = (way.phase - stretch.start) % way.width
    count = max(0, stretch.end - stretch.start - skip) // way.width
    begin, end = stretch.start + skip, stretch.start + skip + count * way.width
    based = way.based and stretch.shift is not None
    base = old[begin + (stretch.shift or 0) : end + (stretch.shift or 0)].copy() if based else None
    how = planes.ways(based, way.width)[0]
    coded = planes.changed(new[begin:end].copy(), base, how, way.width).view(np.uint8).reshape(-1, way.width)
    cell = (np.arange(count) * way.width // CELL * 256).astype(np.int64)
    costs = np.zeros(cells)
    for at in range(way.width):
        costs += _information(np.bincount(cell + coded[:, at], minlength=cells * 256).reshape(cells, 256))
    return costs


def _information(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bits, and what a code for these symbols has to say of itself: else few numbers of many bytes look cheap."""
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.log2(np.maximum(counts, 1)) - np.log2(np.maximum(totals, 1))
    bits = -(counts * shares).sum(axis=1)
    told: NDArray[np.float64] = bits + np.maximum((counts > 0).sum(axis=1) - 1, 0) * 0.7213  # (m - 1) / (2 ln 2)
    return told
