"""Typed contents of a gRPC tensor as an array. Used by requests.py where a request carries no raw tensors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edgewise_runtime.engines.base import Array
from edgewise_runtime.errors import BadRequestError, shown
from edgewise_runtime.protocol.datatypes import BYTES, DTYPES

if TYPE_CHECKING:
    from tritonclient.grpc.service_pb2 import ModelInferRequest

_FIELDS = {
    "BOOL": "bool_contents", "BYTES": "bytes_contents", "FP32": "fp32_contents", "FP64": "fp64_contents",
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
}  # fmt: skip
_WIDE = {"int_contents": np.dtype("<i4"), "uint_contents": np.dtype("<u4")}


def from_contents(tensor: ModelInferRequest.InferInputTensor, shape: tuple[int, ...]) -> Array:
    """The values of `tensor`, complete. BadRequestError where their field, their number or their range does not fit."""
    name, datatype = tensor.name, tensor.datatype
    field = _FIELDS.get(datatype)
    if field is None:
        raise BadRequestError(f"{name}: {datatype} has no typed contents; send it in raw_input_contents")
    for descriptor, _ in tensor.contents.ListFields():
        if descriptor.name != field:
            raise BadRequestError(f"{name}: {datatype} belongs into contents.{field}, not {descriptor.name}")
    values = getattr(tensor.contents, field)
    if len(values) != math.prod(shape):
        raise BadRequestError(
            f"{name}: shape {list(shape)} takes {shown(math.prod(shape))} values, contents.{field} has {len(values)}"
        )
    if datatype == BYTES:
        items = np.empty(len(values), dtype=object)
        items[:] = list(values)
        return items.reshape(shape)
    array = np.fromiter(values, _WIDE.get(field, DTYPES[datatype]), len(values))
    return _narrowed(array, DTYPES[datatype], name).reshape(shape)


def _narrowed(array: Array, dtype: np.dtype[Any], name: str) -> Array:
    """Without wrapping: INT8 and INT16 travel as 32 bits."""
    if array.dtype == dtype:
        return array
    bounds = np.iinfo(dtype)
    if array.min() < bounds.min or array.max() > bounds.max:
        raise BadRequestError(f"{name}: a value is not within {bounds.min} … {bounds.max}")
    return array.astype(dtype)
