"""The steps on pictures: resize, crop, pad. Each takes a batch and gives one, and keeps track of where things lie."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from edgewise.api.processing import Crop, Pad, PreStep, Resize
from edgewise_runtime.engines.base import InputRefusedError
from edgewise_runtime.processing.pictures import Picture

_FILTERS = {
    "Nearest": Image.Resampling.NEAREST,
    "Bilinear": Image.Resampling.BILINEAR,
    "Bicubic": Image.Resampling.BICUBIC,
}
Size = tuple[int, int]
"""Width, height."""


def applied(step: PreStep, batch: Sequence[Picture]) -> list[Picture]:
    """`batch` after one of the steps of this module; the same where the step is none of them."""
    if step.resize is not None:
        return [resized(picture, step.resize) for picture in batch]
    if step.crop is not None:
        return [cropped(picture, step.crop) for picture in batch]
    return padded(batch, step.pad) if step.pad is not None else list(batch)


def sizes(step: PreStep, batch: Sequence[Picture]) -> list[Size]:
    """What `applied` would make of them. To be asked first: a picture of a few bytes may become a very large one."""
    here = [picture.image.size for picture in batch]
    if step.resize is not None:
        return [target(size, step.resize) for size in here]
    if step.crop is not None:
        return [(step.crop.width, step.crop.height) for _ in here]
    return [canvas(here, step.pad) for _ in here] if step.pad is not None else here


def resized(picture: Picture, to: Resize) -> Picture:
    size = target(picture.image.size, to)
    return picture if size == picture.image.size else picture.scaled(picture.image.resize(size, _FILTERS[to.filter]))


def target(size: Size, to: Resize) -> Size:
    """What `size` becomes; both at least 1."""
    width, height = size
    if to.fit == "Stretch":
        return _rounded(to.width, to.multiple_of), _rounded(to.height, to.multiple_of)
    across, down = to.width / width, to.height / height
    scale = {"Cover": max(across, down), "Within": min(across, down), "Height": down}[to.fit]
    if to.fit == "Within" and not to.enlarge:
        scale = min(scale, 1.0)
    width, height = round(width * scale), round(height * scale)
    if to.fit == "Height":
        width, height = min(width, to.width), to.height
    return _rounded(width, to.multiple_of), _rounded(height, to.multiple_of)


def cropped(picture: Picture, to: Crop) -> Picture:
    left, top = (picture.image.width - to.width) // 2, (picture.image.height - to.height) // 2
    return picture.moved(picture.image.crop((left, top, left + to.width, top + to.height)), -left, -top)


def padded(batch: Sequence[Picture], to: Pad) -> list[Picture]:
    """InputRefusedError where a picture is larger than the canvas."""
    size = canvas([picture.image.size for picture in batch], to)
    return [_on_canvas(picture, size, to) for picture in batch]


def canvas(of: Sequence[Size], to: Pad) -> Size:
    """The one size that pictures of these sizes are filled up to."""
    widest, highest = max((width for width, _ in of), default=1), max((height for _, height in of), default=1)
    return to.width or _up(widest, to.multiple_of), to.height or _up(highest, to.multiple_of)


def final_size(steps: Sequence[PreStep]) -> tuple[int | None, int | None]:
    """Width and height that every picture comes out with; None: it depends on the picture."""
    width: int | None = None
    height: int | None = None
    for step in steps:
        if (resize := step.resize) is not None:
            width, height = target((1, 1), resize) if resize.fit == "Stretch" else (None, None)
            height = _rounded(resize.height, resize.multiple_of) if resize.fit == "Height" else height
        elif step.crop is not None:
            width, height = step.crop.width, step.crop.height
        elif step.pad is not None:
            width = step.pad.width or (width and _up(width, step.pad.multiple_of))
            height = step.pad.height or (height and _up(height, step.pad.multiple_of))
    return width, height


def _on_canvas(picture: Picture, size: Size, to: Pad) -> Picture:
    spare = size[0] - picture.image.width, size[1] - picture.image.height
    if spare == (0, 0):
        return picture
    if min(spare) < 0:
        raise InputRefusedError(
            f"a picture of {_text(picture.image.size)} pixels does not go onto a canvas of {_text(size)}; resize it"
            " before pad, with fit Within"
        )
    left, top = (spare[0] // 2, spare[1] // 2) if to.align == "Centre" else (0, 0)
    canvas = Image.new("RGB", size, (to.fill,) * 3)
    canvas.paste(picture.image, (left, top))
    return picture.moved(canvas, left, top)


def _rounded(side: int, multiple: int) -> int:
    return max(multiple, round(side / multiple) * multiple)


def _up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def _text(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
