"""Numbers as what changed in them, and their bytes sorted by weight: all lowest ones first, all highest ones last.

A training step moves a weight a little. The difference of two such numbers, as integers, is small; its upper bytes are
nearly all zero and lie together in one plane. XOR keeps what was switched rather than moved (signs, flags).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise_runtime.deltas.container import DeltaError
from edgewise_runtime.deltas.streams import Bytes, Reader, decoded, encoded

WIDTHS = (1, 2, 4)
_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4")}

_BYTE = {width: kind.type(8) for width, kind in _TYPES.items()}
_BLOCK = 2**15
"""Numbers at once: they stay in a processor's cache, and nothing large is allocated, which costs more than the sums."""

Numbers = NDArray[Any]
"""Of an unsigned type."""


class How(IntEnum):
    """What a number becomes before its bytes are sorted."""

    AS_IT_IS = 0
    TURNED = 1
    """Its sign goes last, so that a float's exponent is one whole byte."""
    SWITCHED = 2
    """XOR with the base."""
    MOVED = 3
    """Minus the base; small numbers of either sign become small ones without."""


def changed(new: Bytes, base: Bytes | None, how: How, width: int) -> Numbers:
    """What to code. `new` and `base`: whole numbers of `width` bytes."""
    values: Numbers = new.view(_TYPES[width]).copy()
    one, top = values.dtype.type(1), values.dtype.type(width * 8 - 1)
    if how == How.TURNED:
        values = values << one | values >> top
    elif base is not None and how == How.SWITCHED:
        values ^= base.view(_TYPES[width])
    elif base is not None and how == How.MOVED:
        values -= base.view(_TYPES[width])
        values = values << one ^ 0 - (values >> top)
    return values


def _restore(numbers: Numbers, base: Numbers | None, how: How) -> None:
    """The inverse of `changed`, in place."""
    one, top = numbers.dtype.type(1), numbers.dtype.type(numbers.itemsize * 8 - 1)
    if how == How.TURNED:
        low = numbers << top
        numbers >>= one
        numbers |= low
    elif base is not None and how == How.SWITCHED:
        numbers ^= base
    elif base is not None and how == How.MOVED:
        sign = numbers & one
        numbers >>= one
        numbers ^= np.negative(sign, out=sign)
        numbers += base


def ways(based: bool, width: int) -> tuple[How, ...]:
    """What may pay for such numbers."""
    if based:
        return (How.MOVED,) if width == 1 else (How.MOVED, How.SWITCHED)
    return (How.AS_IT_IS,) if width == 1 else (How.TURNED, How.AS_IT_IS)


def pack(new: Bytes, base: Bytes | None, width: int, level: int) -> bytes:
    """The planes of all these numbers, by the way that makes them smallest."""
    best = min(ways(base is not None, width), key=lambda how: information(changed(new, base, how, width)))
    planes = changed(new, base, best, width).view(np.uint8).reshape(-1, width)
    return bytes([best]) + b"".join(encoded(np.ascontiguousarray(planes[:, at]), level) for at in range(width))


def unpack(reader: Reader, base: Bytes | None, into: Bytes, width: int) -> None:
    """Fills `into` with numbers again; `base` is as long. DeltaError on what `pack` does not write."""
    how = reader.take(1)[0]
    if how not in ways(base is not None, width):
        raise DeltaError("unknown", f"the delta has numbers changed in way {how}, which this device does not know")
    count = len(into) // width
    streams = [decoded(reader, count) for _ in range(width)]
    if base is not None and not any(map(_says_something, streams)):
        np.copyto(into, base)
        return
    numbers = into.view(_TYPES[width])
    before = None if base is None else base.view(_TYPES[width])
    for start in range(0, count, _BLOCK):
        part = slice(start, start + _BLOCK)
        some = numbers[part]
        _join([stream[part] for stream in streams], some)
        _restore(some, None if before is None else before[part], How(how))


def _join(streams: list[Bytes], into: Numbers) -> None:
    """Bytes of numbers, the lowest first. Widened by copying: twice as fast as a sum of two widths."""
    *lower, highest = streams
    np.copyto(into, highest)
    wide = np.empty_like(into)
    for stream in reversed(lower):
        into <<= _BYTE[into.itemsize]
        np.copyto(wide, stream)
        into |= wide


def _says_something(stream: Bytes) -> bool:
    """Not one zero for all: the usual stream of a layer that nobody trained."""
    return stream.strides != (0,) or bool(stream[:1].any())


def information(coded: Numbers) -> float:
    """Bits that the planes are worth, each byte by itself."""
    planes = coded.view(np.uint8).reshape(len(coded), -1)
    total = 0.0
    for at in range(planes.shape[1]):
        counts = np.bincount(planes[:, at], minlength=256)
        counts = counts[counts > 0]
        total -= float(np.sum(counts * np.log2(counts / len(coded))))
    return total
