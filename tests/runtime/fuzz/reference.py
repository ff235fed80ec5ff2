"""A slow, strict reading of inference requests and answers as the protocol has them, that shares nothing with the
server: which numbers a request holds, and which an answer."""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

_CODES = {
    "BOOL": "?", "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "INT8": "b", "INT16": "h", "INT32": "i",
    "INT64": "q", "FP16": "e", "BF16": "e", "FP32": "f", "FP64": "d",
}  # fmt: skip
"""For BF16 the width alone is right."""
_FLOATS = ("FP16", "BF16", "FP32", "FP64")
_KINDS: dict[str, tuple[type, ...]] = {"BYTES": (str,), "BOOL": (bool,), **dict.fromkeys(_FLOATS, (int, float))}


class RefusedError(ValueError):
    """Nothing that may be answered with numbers."""


@dataclass(frozen=True)
class Tensor:
    """`values`: bytes for BYTES; for numbers their little-endian bytes, so that NaN equals itself and 0 is not -0."""

    datatype: str
    shape: tuple[int, ...]
    values: tuple[bytes, ...]


@dataclass(frozen=True)
class Message:
    """The JSON part, and its tensors by name."""

    document: dict[str, Any]
    tensors: Mapping[str, Tensor]


def request(body: bytes, json_size: int | None) -> Message:
    """RefusedError where the protocol gives it no meaning."""
    message = _message(body, json_size, "inputs")
    if any(b"null" in tensor.values for tensor in message.tensors.values() if tensor.datatype in _FLOATS):
        raise RefusedError("null is no number")
    return message


def answer(body: bytes, json_size: int | None) -> Message:
    """RefusedError where it is none."""
    return _message(body, json_size, "outputs")


def as_json_has_it(tensor: Tensor) -> Tensor:
    """What is left of a tensor in a JSON answer: broken UTF-8 is replaced, NaN and infinities are null."""
    if tensor.datatype == "BYTES":
        values = tuple(value.decode("utf-8", "replace").encode() for value in tensor.values)
    elif tensor.datatype in _FLOATS:
        finite = [math.isfinite(_float(value, tensor.datatype)) for value in tensor.values]
        values = tuple(value if fine else b"null" for value, fine in zip(tensor.values, finite, strict=True))
    else:
        values = tensor.values
    return Tensor(tensor.datatype, tensor.shape, values)


def from_bytes(raw: bytes, datatype: str, shape: list[int]) -> Tensor:
    """Binary data. RefusedError where it is not what datatype and shape say."""
    if datatype != "BYTES" and datatype not in _CODES:
        raise RefusedError(f"datatype {datatype!r}")
    if not all(size >= 0 for size in shape):
        raise RefusedError(f"shape {shape!r}")
    return Tensor(datatype, tuple(shape), _from_bytes(raw, datatype, math.prod(shape)))


def values_of(array: NDArray[Any], datatype: str) -> tuple[bytes, ...]:
    """The numbers of an array as a Tensor has them."""
    if datatype == "BYTES":
        return tuple(array.ravel())
    if datatype == "BF16":  # float32 numbers inside the server
        halves = (array.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
        return tuple(halves[at : at + 2] for at in range(0, len(halves), 2))
    raw = np.ascontiguousarray(array).astype(f"<{array.dtype.kind}{array.dtype.itemsize}").tobytes()
    return tuple(raw[at : at + array.dtype.itemsize] for at in range(0, len(raw), array.dtype.itemsize))


def pack(value: Any, datatype: str) -> bytes:
    """One number; struct.error where it does not fit."""
    return struct.pack("<" + _CODES[datatype], value)


def _message(body: bytes, json_size: int | None, key: str) -> Message:
    text, tail = (body, b"") if json_size is None else (body[:json_size], body[json_size:])
    if json_size is not None and json_size > len(body):
        raise RefusedError("less body than JSON")
    try:
        document = json.loads(text.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RefusedError(str(error)) from error
    if not isinstance(document, dict) or not isinstance(document.get(key), list):
        raise RefusedError(f"no {key}")
    tensors: dict[str, Tensor] = {}
    for item in document[key]:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str) or item["name"] in tensors:
            raise RefusedError("an item without a name, or one twice")
        tensors[item["name"]], tail = _tensor(item, tail)
    if tail:
        raise RefusedError("bytes are left")
    return Message(document, tensors)


def _tensor(item: dict[str, Any], tail: bytes) -> tuple[Tensor, bytes]:
    datatype, shape, parameters = item.get("datatype"), item.get("shape"), item.get("parameters") or {}
    if datatype != "BYTES" and datatype not in _CODES:
        raise RefusedError(f"datatype {datatype!r}")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise RefusedError(f"shape {shape!r}")
    if not isinstance(parameters, dict):
        raise RefusedError("parameters")
    count = math.prod(shape)
    if "binary_data_size" not in parameters:
        return Tensor(datatype, tuple(shape), _from_json(item.get("data"), datatype, shape, count)), tail
    size = parameters["binary_data_size"]
    if type(size) is not int or not 0 <= size <= len(tail) or item.get("data") is not None:
        raise RefusedError("binary_data_size")
    return Tensor(datatype, tuple(shape), _from_bytes(tail[:size], datatype, count)), tail[size:]


def _from_bytes(raw: bytes, datatype: str, count: int) -> tuple[bytes, ...]:
    if datatype != "BYTES":
        width = struct.calcsize("<" + _CODES[datatype])
        if len(raw) != count * width or (datatype == "BOOL" and set(raw) - {0, 1}):
            raise RefusedError("wrong bytes")
        return tuple(raw[at : at + width] for at in range(0, len(raw), width))
    values = []
    while raw:
        size = int.from_bytes(raw[:4], "little")
        if len(raw) < 4 + size:
            raise RefusedError("BYTES cut off")
        values.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    if len(values) != count:
        raise RefusedError("another number of BYTES")
    return tuple(values)


def _from_json(data: Any, datatype: str, shape: list[int], count: int) -> tuple[bytes, ...]:
    if not isinstance(data, list):
        raise RefusedError("no data")
    flat = _flat(data, shape) if data and isinstance(data[0], list) else data
    if len(flat) != count:
        raise RefusedError("another number of values")
    return tuple(_value(value, datatype) for value in flat)


def _flat(data: list[Any], shape: list[int]) -> list[Any]:
    rows: list[Any] = [data]
    for length in shape:
        if not all(isinstance(row, list) and len(row) == length for row in rows):
            raise RefusedError("nested otherwise than its shape")
        rows = [value for row in rows for value in row]
    return rows


def _value(value: Any, datatype: str) -> bytes:
    """One element of `data`. null stands for NaN and infinities, in answers; `request` refuses it."""
    if value is None and datatype in _FLOATS:
        return b"null"
    if type(value) not in _KINDS.get(datatype, (int,)):
        raise RefusedError(f"{value!r} as {datatype}")
    try:
        if datatype == "BYTES":
            return bytes(value.encode())
        if datatype not in _FLOATS:
            return pack(value, datatype)
        return _bf16(float(value)) if datatype == "BF16" else _rounded(float(value), datatype)
    except (struct.error, OverflowError, FloatingPointError, UnicodeEncodeError) as error:
        raise RefusedError(str(error)) from error


def _rounded(value: float, datatype: str) -> bytes:
    with np.errstate(over="raise"):
        return pack(np.dtype(_CODES[datatype]).type(value), datatype)


def _float(raw: bytes, datatype: str) -> float:
    code, raw = ("<f", b"\0\0" + raw) if datatype == "BF16" else ("<" + _CODES[datatype], raw)
    number: float = struct.unpack(code, raw)[0]
    return number


def _bf16(value: float) -> bytes:
    """The upper half of a float32: of the three around `value` the nearest, of two as near the even one."""
    upper = struct.unpack("<I", struct.pack("<f", value))[0] >> 16
    near = [struct.pack("<H", max(0, upper + step) & 0xFFFF) for step in (-1, 0, 1)]
    near = [raw for raw in near if math.isfinite(_float(raw, "BF16"))]
    return min(near, key=lambda raw: (abs(Fraction(_float(raw, "BF16")) - Fraction(value)), raw[0] & 1))


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(constant)
