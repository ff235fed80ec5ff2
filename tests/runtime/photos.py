"""Pictures for tests, as bytes in the formats people send."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgewise_runtime.engines.base import Array


def gradient(width: int = 8, height: int = 6) -> Image.Image:
    """Every pixel different: red by column, green by row, blue by both."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x + y) % 256], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


def plain(width: int, height: int, colour: tuple[int, int, int] = (0, 0, 0)) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tensor(*pictures: bytes) -> Array:
    """BYTES [n]."""
    items = np.empty(len(pictures), dtype=object)
    items[:] = pictures
    return items


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image)
