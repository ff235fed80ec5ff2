"""Looks into an ONNX file before any engine does, for one thing: tensors kept in other files.

Only the file itself was verified by its sha256, so a model that names other files is refused: ONNX external data
carries no checksum and has been used for path traversal (CVE-2022-25882, CVE-2024-27318, CVE-2026-27489). The onnx
package would cost a device tens of MiB, so this walks the protobuf wire format, where tensors can be.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from edgewise.api.names import Reason
from edgewise_runtime.engines.base import ModelLoadError

# Message -> {field number: message of that field}; the numbers are from onnx.proto3.
_HOLDERS = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
_EXTERNAL_DATA = 13  # TensorProto.external_data: entries such as ("location", "weights.bin")
_DATA_LOCATION = 14  # TensorProto.data_location: 1 is EXTERNAL
LENGTH = 2
"""Wire type of bytes, texts and messages."""
_VARINT, _FIXED64, _FIXED32 = 0, 1, 5


class NotOnnxError(ValueError):
    """The bytes are not a protobuf message."""


def refuse_external_data(path: Path) -> None:
    """ModelLoadError where the file is no ONNX, or not the whole model."""
    try:
        external = has_external_data(path)
    except (OSError, NotOnnxError) as error:
        raise ModelLoadError(Reason.LOAD_FAILED, f"not a readable ONNX file: {error}") from error
    if external:
        raise ModelLoadError(
            Reason.LOAD_FAILED,
            "the model keeps tensors in other files, which its sha256 does not cover: save it as one file"
            " (onnx.save(model, path, save_as_external_data=False))",
        )


def has_external_data(path: Path) -> bool:
    """Whether any tensor, in subgraphs and functions too, lies in another file. NotOnnxError on malformed bytes."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise NotOnnxError("the file is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _any_external(data)


def _any_external(data: mmap.mmap) -> bool:
    pending = [("Model", 0, len(data))]
    while pending:
        message, start, end = pending.pop()
        for number, wire, low, high in fields(data, start, end):
            if message == "Tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and low != 0)):
                return True
            inner = _HOLDERS[message].get(number)
            if inner is not None and wire == LENGTH:
                pending.append((inner, low, high))
    return False


def fields(data: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(field number, wire type, start, end) of each field; for a varint its value stands in the place of start."""
    while at < end:
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at, end)
            yield number, wire, value, at
            continue
        if wire == LENGTH:
            size, at = _varint(data, at, end)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise NotOnnxError(f"wire type {wire} at byte {at}")
        if at + size > end:
            raise NotOnnxError(f"a field at byte {at} ends after its message")
        yield number, wire, at, at + size
        at += size


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise NotOnnxError("the file is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise NotOnnxError(f"a number at byte {at} has no end")
