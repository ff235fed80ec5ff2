"""BF16 through ONNX Runtime: its Python side takes such tensors only as OrtValues, and gives no array of them."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort

from edgewise_runtime.engines.base import Array
from edgewise_runtime.protocol.datatypes import BF16, pack, unpack

_ELEMENT_TYPE = 16  # TensorProto.BFLOAT16


def run(session: Any, outputs: Sequence[str], feeds: Mapping[str, Array], options: Any) -> list[Array]:
    """As session.run, of a model with a BF16 input or output; those are float32 arrays."""
    wanted = {node.name: node.type == "tensor(bfloat16)" for node in session.get_inputs()}
    values = {name: _value(array, wanted[name]) for name, array in feeds.items()}
    return [_array(value) for value in session.run_with_ort_values(list(outputs), values, options)]


def _value(array: Array, narrow: bool) -> Any:
    if not narrow:
        return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))
    raw = np.frombuffer(pack(array, BF16), np.uint16).reshape(array.shape)
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(raw, _ELEMENT_TYPE)


def _array(value: Any) -> Array:
    if value.element_type() != _ELEMENT_TYPE:
        array: Array = value.numpy()
        return array
    shape = value.shape()
    raw = (ctypes.c_ubyte * (2 * math.prod(shape))).from_address(value.data_ptr())
    return unpack(memoryview(bytes(raw)), BF16, shape, "")
