"""Cuts out of a picture what a model found in it. Called by stages.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from edgewise_runtime.engines.base import Array

_LONGEST = 1280  # pixels: more than any model here would look at
_ALL_PIXELS = 2**25  # of all pieces of a request, 100 MB: many large boxes that overlap must not fill the memory
_STRAIGHT = 0.5  # pixels that a corner may be off before a quad counts as turned
_BACK = {  # Pillow turns counter-clockwise
    "90": Image.Transpose.ROTATE_90,
    "180": Image.Transpose.ROTATE_180,
    "270": Image.Transpose.ROTATE_270,
}

Quad = Sequence[tuple[float, float]]


def pieces(images: Sequence[Image.Image], of: Array, corners: Array) -> list[Image.Image]:
    """One image for each of `corners`: boxes [m, 4] or quads [m, 4, 2] in pixels of images[of[m]].

    Scaled down where it is larger than any model would want; smaller yet where there are very many."""
    most = _ALL_PIXELS // max(1, len(corners))
    quads = corners if corners.ndim == 3 else corners[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    return [_piece(images[index], quad, most) for index, quad in zip(of.tolist(), quads, strict=True)]


def turned(image: Image.Image, degrees: str) -> Image.Image:
    """Upright again, after it was turned clockwise by so many degrees. As it is for any other text than an angle."""
    return image.transpose(_BACK[degrees]) if degrees in _BACK else image


def _piece(image: Image.Image, quad: Array, most: int) -> Image.Image:
    points = [(float(x), float(y)) for x, y in quad]
    width = (_distance(points[0], points[1]) + _distance(points[3], points[2])) / 2
    height = (_distance(points[0], points[3]) + _distance(points[1], points[2])) / 2
    scale = min(1.0, _LONGEST / max(width, height, 1.0), (most / max(width * height, 1.0)) ** 0.5)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if _straight(points):
        return _upright(image, points, size)
    if scale < 1.0:
        return _turned_piece(image, points, (max(1, round(width)), max(1, round(height)))).resize(size)
    return _turned_piece(image, points, size)


def _straight(quad: Quad) -> bool:
    """Whether the sides are parallel to the picture's, and the first corner is the top left one."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = quad
    off = max(abs(ay - by), abs(bx - cx), abs(cy - dy), abs(dx - ax))
    return off <= _STRAIGHT and bx >= ax and dy >= ay


def _upright(image: Image.Image, quad: Quad, size: tuple[int, int]) -> Image.Image:
    left, top = min(int(quad[0][0]), image.width - 1), min(int(quad[0][1]), image.height - 1)
    right = min(max(int(np.ceil(quad[2][0])), left + 1), image.width)
    bottom = min(max(int(np.ceil(quad[2][1])), top + 1), image.height)
    box = (left, top, right, bottom)
    if size[0] >= right - left - 1 and size[1] >= bottom - top - 1:
        return image.crop(box)
    return image.resize(size, Image.Resampling.BILINEAR, box=box)


def _turned_piece(image: Image.Image, quad: Quad, size: tuple[int, int]) -> Image.Image:
    """Pillow wants the corners counter-clockwise: top left, bottom left, bottom right, top right."""
    a, b, c, d = quad
    return image.transform(size, Image.Transform.QUAD, (*a, *d, *c, *b), Image.Resampling.BICUBIC)


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))
