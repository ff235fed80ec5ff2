"""Tensors as JSON: flat or nested lists in, flat lists out. Values that do not fit are refused, never wrapped."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import numpy as np

from edgewise_runtime.engines.base import Array
from edgewise_runtime.errors import BadRequestError, shown
from edgewise_runtime.protocol.datatypes import BF16, BYTES, DTYPES, rounded_to_bf16
from edgewise_runtime.protocol.numbers import Numbers

_KINDS: dict[str, tuple[set[type], str]] = {
    "b": ({bool}, "true or false"),
    "i": ({int}, "integers"),
    "u": ({int}, "integers"),
    "f": ({int, float}, "numbers"),
}


def from_json(data: Any, datatype: str, shape: tuple[int, ...], name: str) -> Array:
    """`data` as an array of `shape`. BadRequestError where number, nesting, kind or range of its values do not fit."""
    if datatype == BYTES:
        return _texts(_flatten(data, shape, name), name).reshape(shape)
    dtype = DTYPES["FP64" if datatype == BF16 else datatype]
    values: list[Any] | Array | None = data.array(dtype.kind, shape) if isinstance(data, Numbers) else None
    if values is None:
        values = flat = _flatten(data, shape, name)
        _check_kinds(flat, datatype, dtype.kind, name)
    array = _floats(values, dtype, name) if dtype.kind == "f" else _integers(values, dtype, name)
    return (rounded_to_bf16(array, name) if datatype == BF16 else array).reshape(shape)


def to_json(array: Array) -> list[str] | Array:
    """Flat, row-major, for orjson to write: NaN and infinities become null, which JSON has; each number is as short as
    its datatype allows. BYTES become text, broken UTF-8 replaced."""
    if array.dtype.hasobject:
        return [item.decode("utf-8", "replace") for item in array.reshape(-1)]
    return np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(-1)


def _flatten(data: Any, shape: tuple[int, ...], name: str) -> list[Any]:
    """Flat data as it is; nested data must be nested as `shape` says."""
    if isinstance(data, Numbers):
        data = data.plain()
    if not isinstance(data, list):
        raise BadRequestError(
            f"{name}: needs data (a list), or parameters.binary_data_size and its bytes after the JSON part"
        )
    if data and isinstance(data[0], list):
        for depth, size in enumerate(shape[:-1]):
            if len(data) != math.prod(shape[: depth + 1]) or not all(type(item) is list for item in data):
                raise BadRequestError(
                    f"{name}: data is not nested as its shape {list(shape)} says ({size} at depth {depth + 1})"
                )
            data = list(chain.from_iterable(_rows(data, shape[depth + 1], name)))
    if len(data) != math.prod(shape):
        raise BadRequestError(f"{name}: shape {list(shape)} takes {math.prod(shape)} values, {len(data)} were sent")
    flat: list[Any] = data
    return flat


def _rows(data: list[list[Any]], length: int, name: str) -> list[list[Any]]:
    if any(len(row) != length for row in data):
        raise BadRequestError(f"{name}: data has rows of different lengths, or not of {length}")
    return data


def _texts(flat: list[Any], name: str) -> Array:
    items = np.empty(len(flat), dtype=object)
    try:
        items[:] = [text.encode() for text in flat]
    except (AttributeError, UnicodeEncodeError):
        raise BadRequestError(f"{name}: BYTES data must be strings; for other bytes use binary data") from None
    return items


def _check_kinds(flat: list[Any], datatype: str, kind: str, name: str) -> None:
    kinds, words = _KINDS[kind]
    if not set(map(type, flat)) <= kinds:
        raise BadRequestError(f"{name}: {datatype} data must be {words}")


def _integers(values: list[Any] | Array, dtype: np.dtype[Any], name: str) -> Array:
    if len(values) and dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        low, high = _extremes(values)
        if low < bounds.min or high > bounds.max:
            raise BadRequestError(
                f"{name}: {shown(low if low < bounds.min else high)} is not within {bounds.min} … {bounds.max}"
            )
    return np.array(values, dtype=dtype)


def _extremes(values: list[Any] | Array) -> tuple[int, int]:
    if isinstance(values, np.ndarray):
        return int(values.min()), int(values.max())
    return min(values), max(values)


def _floats(values: list[Any] | Array, dtype: np.dtype[Any], name: str) -> Array:
    try:
        wide = np.asarray(values, dtype=np.float64)
    except OverflowError:
        raise BadRequestError(f"{name}: a number is too large") from None
    if not (np.abs(wide) <= np.finfo(dtype).max).all():
        raise BadRequestError(f"{name}: a number is larger than {np.finfo(dtype).max}")
    return wide.astype(dtype)
