"""Bytes of a picture to pixels, without trusting them: size is looked at before memory is taken.

Called by images.py (the steps before a model) and by pipeline/. Pillow decodes: three formats, nothing else.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from edgewise_runtime.engines.base import InputRefusedError
from edgewise_runtime.processing import jpeg

FORMATS = tuple(
    plugin.format
    for plugin in (JpegImagePlugin.JpegImageFile, PngImagePlugin.PngImageFile, WebPImagePlugin.WebPImageFile)
)
MOST = 64  # pictures a request
SCANS = 100  # of a JPEG: some 10 ms each for the most pixels that a request may have
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit warns first; ours refuses at once
PngImagePlugin.MAX_TEXT_MEMORY = 2**20  # of comments in a PNG, unpacked: Pillow's 64 MiB would be taken by each picture

Points = NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """Pixels (RGB), and where they lie in the picture that was sent: sent = (here - shift) * ratio."""

    image: Image.Image
    sent: tuple[int, int]
    """Width and height of the picture that was sent."""
    ratio: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def whole(cls, image: Image.Image) -> Picture:
        return cls(image, image.size)

    def scaled(self, image: Image.Image) -> Picture:
        """The same view in the size of `image`."""
        factor = (image.width / self.image.width, image.height / self.image.height)
        return Picture(
            image,
            self.sent,
            (self.ratio[0] / factor[0], self.ratio[1] / factor[1]),
            (self.shift[0] * factor[0], self.shift[1] * factor[1]),
        )

    def moved(self, image: Image.Image, left: int, top: int) -> Picture:
        """The same scale; what was at 0, 0 is now at left, top."""
        return replace(self, image=image, shift=(self.shift[0] + left, self.shift[1] + top))

    def placed(self, points: Points, fraction: bool) -> Points:
        """Points [..., 2] of this view, in pixels or as a fraction of it, as points of the sent picture, inside it."""
        if fraction:
            points = points * np.asarray(self.image.size, np.float32)
        found = (points - np.asarray(self.shift, np.float32)) * np.asarray(self.ratio, np.float32)
        return np.clip(found, 0, np.asarray(self.sent, np.float32)).astype(np.float32)


def decode(items: Iterable[bytes], max_pixels: int) -> list[Image.Image]:
    """RGB images, upright. InputRefusedError: no picture, a broken one, or together more than `max_pixels`."""
    opened = []
    for number, raw in enumerate(items):
        if number == MOST:
            raise InputRefusedError(f"more than {MOST} pictures in one request; send fewer at once")
        image = _open(raw, number)
        max_pixels -= image.width * image.height
        if max_pixels < 0:
            raise InputRefusedError(
                f"picture {number} has {image.width} x {image.height} pixels; with those before it that is more than"
                " processing.pre decodeImage.maxPixels allows for a request"
            )
        opened.append(image)
    return [_pixels(image, number) for number, image in enumerate(opened)]


def _open(raw: bytes, number: int) -> Image.Image:
    """Decodes nothing but the header."""
    try:
        image = Image.open(io.BytesIO(raw), formats=FORMATS)
    except Exception as error:
        raise InputRefusedError(
            f"picture {number} is no {', '.join(FORMATS)} that can be read ({len(raw)} bytes)"
        ) from error
    if isinstance(image, JpegImagePlugin.JpegImageFile) and jpeg.scans(raw, SCANS) > SCANS:
        raise InputRefusedError(f"picture {number} is a JPEG of more than {SCANS} scans; save it anew")
    return image


def _pixels(image: Image.Image, number: int) -> Image.Image:
    try:
        upright = ImageOps.exif_transpose(image)
        return _eight_bits(upright).convert("RGB")
    except Exception as error:  # whatever a decoder trips over, the picture is at fault
        raise InputRefusedError(f"picture {number} is broken: {str(error)[:200]}") from error


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey PNGs, which Pillow would clip instead of scale."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
