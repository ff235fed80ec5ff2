"""The datatypes of the Open Inference Protocol as numpy knows them. Little-endian on the wire, row-major."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import numpy as np

from edgewise_runtime.engines.base import Array
from edgewise_runtime.errors import BadRequestError

BYTES = "BYTES"
_NUMPY = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
DTYPES = {name: np.dtype(code) for name, code in _NUMPY.items()}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def datatype_of(array: Array) -> str:
    """Protocol name of an array's dtype; ValueError where the protocol has none (BF16, complex)."""
    if array.dtype == object:
        return BYTES
    try:
        return _NAMES[array.dtype.newbyteorder("<")]
    except KeyError:
        raise ValueError(f"the protocol has no name for {array.dtype}") from None


def unpack(raw: memoryview, datatype: str, shape: Sequence[int], name: str) -> Array:
    """`raw` as a tensor, without copying it where it is aligned. BadRequestError where the sizes differ."""
    if datatype == BYTES:
        return _unpack_bytes(raw, math.prod(shape), name).reshape(shape)
    dtype = DTYPES[datatype]
    wanted = math.prod(shape) * dtype.itemsize
    if wanted != raw.nbytes:
        raise BadRequestError(f"{name}: {datatype} {list(shape)} takes {wanted} bytes, {raw.nbytes} were sent")
    array = np.frombuffer(raw, dtype=dtype).reshape(shape)
    if datatype == "BOOL" and raw.nbytes and array.view(np.uint8).max() > 1:
        raise BadRequestError(f"{name}: a BOOL byte must be 0 or 1")
    return array if array.flags.aligned else array.copy()


def pack(array: Array) -> memoryview | bytes:
    """The bytes of a tensor as they go on the wire; a view where its memory is already so."""
    if array.dtype == object:
        return b"".join(struct.pack("<I", len(item)) + item for item in array.ravel())
    flat = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(-1)
    return flat.view(np.uint8).data


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
