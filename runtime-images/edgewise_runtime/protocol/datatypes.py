"""The datatypes of the Open Inference Protocol as numpy knows them. Little-endian on the wire, row-major.

BF16, Triton's addition, is none of numpy's: such tensors are float32 arrays here, and two bytes a number on the wire.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise_runtime.engines.base import Array
from edgewise_runtime.errors import BadRequestError

BYTES = "BYTES"
BF16 = "BF16"
_NUMPY = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
DTYPES = {name: np.dtype(code) for name, code in _NUMPY.items()}
"""Those whose bytes on the wire are an array's; all but BYTES and BF16."""
NAMES = (*DTYPES, BF16, BYTES)
_ON_WIRE = {**DTYPES, BF16: np.dtype("<u2")}
_FOREIGN = ">" if sys.byteorder == "little" else ">="  # byte orders that are not the wire's
_BF16_MAX = 3.3895313892515355e38  # 0x7f7f; float32 goes a little further


def dtype_of(datatype: str) -> np.dtype[Any]:
    """Of the arrays that carry it inside the runtime; KeyError for BYTES."""
    return DTYPES["FP32" if datatype == BF16 else datatype]


def item_size(datatype: str) -> int:
    """Bytes of one number on the wire; KeyError for BYTES, which has no such size."""
    return _ON_WIRE[datatype].itemsize


def unpack(raw: memoryview, datatype: str, shape: Sequence[int], name: str) -> Array:
    """`raw` as a tensor, without copying it where it is aligned. BadRequestError where the sizes differ."""
    if datatype == BYTES:
        return _unpack_bytes(raw, math.prod(shape), name).reshape(shape)
    dtype = _ON_WIRE[datatype]
    wanted = math.prod(shape) * dtype.itemsize
    if wanted != raw.nbytes:
        raise BadRequestError(f"{name}: {datatype} {list(shape)} takes {wanted} bytes, {raw.nbytes} were sent")
    array = np.frombuffer(raw, dtype).reshape(shape)
    if datatype == BF16:
        return _widened(array)
    if datatype == "BOOL" and raw.nbytes and array.view(np.uint8).max() > 1:
        raise BadRequestError(f"{name}: a BOOL byte must be 0 or 1")
    return array if array.flags.aligned else array.copy()


def pack(array: Array, datatype: str) -> memoryview | bytes:
    """The bytes of a tensor as they go on the wire; a view where its memory is already so."""
    if array.dtype.hasobject:
        return b"".join(struct.pack("<I", len(item)) + item for item in array.ravel())
    if datatype == BF16:
        array = _narrowed(array)
    if array.dtype.byteorder in _FOREIGN:
        array = array.astype(array.dtype.newbyteorder("<"))
    return array.reshape(-1).view(np.uint8).data


def rounded_to_bf16(array: Array, name: str) -> Array:
    """float32 numbers that BF16 has, each the nearest; BadRequestError where one is too large."""
    if not (np.abs(array) <= _BF16_MAX).all():
        raise BadRequestError(f"{name}: a number is larger than {_BF16_MAX:g}")
    return _widened(_narrowed(array.astype(np.float32)))


def _widened(halves: Array) -> Array:
    return (halves.astype(np.uint32) << 16).view(np.float32)


def _narrowed(array: Array) -> Array:
    """The upper halves, rounded to the nearest, ties to even. NaN stays NaN, whatever its lower half says."""
    wide = np.ascontiguousarray(array, dtype=np.float32)
    bits = wide.view(np.uint32)
    halves = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(wide), (bits >> 16).astype(np.uint16) | 0x40, halves)


def _unpack_bytes(raw: memoryview, count: int, name: str) -> Array:
    """Each element: its length (4 bytes, little-endian), then its bytes."""
    if count * 4 > raw.nbytes:
        raise BadRequestError(f"{name}: {count} BYTES elements take at least {count * 4} bytes, {raw.nbytes} were sent")
    items = np.empty(count, dtype=object)
    at = 0
    for index in range(count):
        if at + 4 > raw.nbytes:
            raise BadRequestError(f"{name}: BYTES element {index} is cut off")
        (size,) = struct.unpack_from("<I", raw, at)
        at += 4
        if at + size > raw.nbytes:
            raise BadRequestError(f"{name}: BYTES element {index} says {size} bytes, {raw.nbytes - at} are left")
        items[index] = bytes(raw[at : at + size])
        at += size
    if at != raw.nbytes:
        raise BadRequestError(f"{name}: {raw.nbytes - at} bytes follow the last BYTES element")
    return items
