"""The smallest rectangle around some points, at any angle. Called by textboxes.py."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgewise_runtime.processing.regions import Runs

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rectangle:
    """`along` is the unit vector nearest to the x axis; the other side stands at a right angle, clockwise on screen."""

    centre: Floats
    along: Floats
    width: float
    """In the direction of `along`."""
    height: float

    @property
    def across(self) -> Floats:
        return np.array([-self.along[1], self.along[0]])

    def grown(self, by: float) -> Rectangle:
        """Each side moved outwards."""
        return replace(self, width=self.width + 2 * by, height=self.height + 2 * by)

    def corners(self) -> Floats:
        """[4, 2], clockwise on screen from the top left one."""
        x, y = self.along * self.width / 2, self.across * self.height / 2
        return self.centre + np.stack([-x - y, x - y, x + y, y - x])


def around(runs: Runs) -> Rectangle:
    """The rectangle of least area that holds all pixel centres of a region. One of its sides lies on the hull's
    (H. Freeman and R. Shapira, 1975)."""
    hull = _hull(_outline(runs))
    sides = np.diff(hull, axis=0, append=hull[:1])
    lengths = np.hypot(sides[:, 0], sides[:, 1])
    along = sides[lengths > 0] / lengths[lengths > 0, None] if lengths.any() else np.array([[1.0, 0.0]])
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    by_x, by_y = hull @ along.T, hull @ across.T
    spans = np.ptp(by_x, axis=0), np.ptp(by_y, axis=0)
    best = int(np.argmin(spans[0] * spans[1]))
    middle = _middle(by_x[:, best]) * along[best] + _middle(by_y[:, best]) * across[best]
    return _levelled(Rectangle(middle, along[best], float(spans[0][best]), float(spans[1][best])))


def _middle(values: Floats) -> float:
    return float(values.min() + values.max()) / 2


def _levelled(rectangle: Rectangle) -> Rectangle:
    """The same rectangle with `along` within 45 degrees of the x axis, pointing to the right."""
    if abs(rectangle.along[0]) < abs(rectangle.along[1]):
        rectangle = replace(rectangle, along=rectangle.across, width=rectangle.height, height=rectangle.width)
    return rectangle if rectangle.along[0] > 0 else replace(rectangle, along=-rectangle.along)


def _outline(runs: Runs) -> Floats:
    """The first and the last pixel of each row, by x, then y."""
    rows, at = np.unique(runs.row, return_inverse=True)
    left, right = np.full(rows.size, np.iinfo(np.int64).max), np.full(rows.size, -1)
    np.minimum.at(left, at, runs.start)
    np.maximum.at(right, at, runs.end - 1)
    points = np.unique(np.concatenate([np.stack([left, rows], axis=1), np.stack([right, rows], axis=1)]), axis=0)
    return points.astype(np.float64)


def _hull(points: Floats) -> Floats:
    """Corners of the convex hull of sorted points (A. M. Andrew's monotone chain)."""
    if len(points) < 3:
        return points
    ordered = [(float(x), float(y)) for x, y in points]
    return np.array(_chain(ordered)[:-1] + _chain(ordered[::-1])[:-1])


def _chain(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    chain: list[tuple[float, float]] = []
    for point in points:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
