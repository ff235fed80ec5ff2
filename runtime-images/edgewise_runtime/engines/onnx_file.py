"""Looks into an ONNX file before any engine does, for one thing: parts of the model that are kept in other files.

Only the file itself was verified by its sha256, so a model that names other files is refused: ONNX external data
carries no checksum and has been used for path traversal (CVE-2022-25882, CVE-2024-27318, CVE-2026-27489). What an
accelerator's compiler made of a model (EPContext nodes) may lie in another file as well, and is machine code. The onnx
package would cost a device tens of MiB, so this walks the protobuf wire format, where tensors and nodes can be.
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
_COMPILED = b"EPContext"  # NodeProto.op_type of what a compiler made; see onnxruntime's EPContext-Design
_OP_TYPE, _NAME, _INT, _EMBEDDED = 4, 1, 3, b"embed_mode"
_EXTERNAL_DATA = 13  # TensorProto.external_data: entries such as ("location", "weights.bin")
_DATA_LOCATION = 14  # TensorProto.data_location: 1 is EXTERNAL
_ATTRIBUTE = 5  # NodeProto.attribute
_TENSORS_ELSEWHERE = (
    "tensors in other files, which its sha256 does not cover: save it as one file"
    " (onnx.save(model, path, save_as_external_data=False))"
)
_COMPILED_ELSEWHERE = (
    "what was compiled for an accelerator in another file, which its sha256 does not cover: compile it with"
    " ep.context_embed_mode 1, or name the model it was compiled from"
)
LENGTH = 2
"""Wire type of bytes, texts and messages."""
_VARINT, _FIXED64, _FIXED32 = 0, 1, 5


class NotOnnxError(ValueError):
    """The bytes are not a protobuf message."""


def refuse_external_data(path: Path) -> None:
    """ModelLoadError where the file is no ONNX, or not the whole model."""
    try:
        external = outside(path)
    except (OSError, NotOnnxError) as error:
        raise ModelLoadError(Reason.LOAD_FAILED, f"not a readable ONNX file: {error}") from error
    if external:
        raise ModelLoadError(Reason.LOAD_FAILED, f"the model keeps {external}")


def outside(path: Path) -> str:
    """What lies in other files, in subgraphs and functions too, and what to do about it; empty: nothing. NotOnnxError
    on malformed bytes."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise NotOnnxError("the file is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _outside(data)


def _outside(data: mmap.mmap) -> str:
    pending = [("Model", 0, len(data))]
    while pending:
        message, start, end = pending.pop()
        if message == "Node" and _compiled_elsewhere(data, start, end):
            return _COMPILED_ELSEWHERE
        for number, wire, low, high in fields(data, start, end):
            if message == "Tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and low != 0)):
                return _TENSORS_ELSEWHERE
            inner = _HOLDERS[message].get(number)
            if inner is not None and wire == LENGTH:
                pending.append((inner, low, high))
    return ""


def _compiled_elsewhere(data: mmap.mmap, start: int, end: int) -> bool:
    parts = list(fields(data, start, end))
    if not any(
        number == _OP_TYPE and wire == LENGTH and data[low:high] == _COMPILED for number, wire, low, high in parts
    ):
        return False
    attributes = [
        list(fields(data, low, high)) for number, wire, low, high in parts if (number, wire) == (_ATTRIBUTE, LENGTH)
    ]
    return any(_is_zero(data, attribute, _EMBEDDED) for attribute in attributes)


def _is_zero(data: mmap.mmap, attribute: list[tuple[int, int, int, int]], name: bytes) -> bool:
    """Whether this is the attribute `name`, and 0: the value that is not written."""
    named = any(number == _NAME and wire == LENGTH and data[low:high] == name for number, wire, low, high in attribute)
    values = [low for number, wire, low, _ in attribute if (number, wire) == (_INT, _VARINT)]
    return named and not (values and values[-1])  # of a field that is there twice, the last one counts


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
