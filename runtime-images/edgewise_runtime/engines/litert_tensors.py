"""The inputs and outputs of a TFLite model as the protocol shows them. Used by litert.py."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgewise.api.names import Reason
from edgewise_runtime.engines.base import Array, ModelLoadError, Quantization, TensorSpec

log = logging.getLogger(__name__)

_DATATYPES = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8",
    "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP16", "float32": "FP32", "float64": "FP64",
    "bytes": "BYTES", "bytes_": "BYTES", "object": "BYTES",
}  # fmt: skip


@dataclass(frozen=True)
class Port:
    """A tensor of the protocol, and its place in the interpreter."""

    spec: TensorSpec
    index: int
    real: Quantization | None = None
    """Set where the protocol shows real numbers, and the interpreter takes integers."""
    dtype: Any = None
    """Of those integers."""

    def encoded(self, array: Array) -> Array:
        """As the interpreter takes it."""
        return array if self.real is None else self.real.integers(array, self.dtype)

    def decoded(self, array: Array) -> Array:
        """As the protocol shows it."""
        return array if self.real is None else self.real.real(array)


def ports(interpreter: Any, real: bool) -> tuple[dict[str, Port], dict[str, Port]]:
    """Inputs and outputs by name, in the model's order. ModelLoadError where the protocol cannot carry one.

    `real`: quantised tensors are shown as the FP32 numbers that they stand for. Names are those of the model's
    signature, where it has one (`image`); else those of its tensors (`serving_default_image:0`)."""
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    signatures = interpreter.get_signature_list()
    taken, given = {}, {}
    if len(signatures) == 1:
        runner = interpreter.get_signature_runner(next(iter(signatures)))
        taken, given = _names(runner.get_input_details()), _names(runner.get_output_details())
    found = _ports(inputs, taken, real), _ports(outputs, given, real)
    if len(found[0]) < len(inputs) or not found[1]:
        raise ModelLoadError(Reason.LOAD_FAILED, "the model has inputs or outputs that are no tensors of the protocol")
    return found


def _names(details: Mapping[str, Any]) -> dict[int, str]:
    return {detail["index"]: name for name, detail in details.items()}


def _ports(details: Sequence[Mapping[str, Any]], names: Mapping[int, str], real: bool) -> dict[str, Port]:
    found: dict[str, Port] = {}
    known = {detail["index"] for detail in details} <= names.keys()
    for detail in details:
        name = names[detail["index"]] if known else detail["name"]
        datatype = _DATATYPES.get(np.dtype(detail["dtype"]).type.__name__.removesuffix("_"))
        if datatype is None or name in found:
            log.warning("%s is a %s, which the protocol cannot carry; it is not served", name, detail["dtype"])
            continue
        shape = tuple(int(size) for size in detail["shape_signature"])
        quantized = _quantization(detail, datatype)
        if real and quantized is not None:
            found[name] = Port(TensorSpec(name, "FP32", shape), detail["index"], quantized, detail["dtype"])
        else:
            found[name] = Port(TensorSpec(name, datatype, shape, quantized), detail["index"])
    return found


def _quantization(detail: Mapping[str, Any], datatype: str) -> Quantization | None:
    parameters = detail["quantization_parameters"]
    if not len(parameters["scales"]) or not datatype.startswith(("INT", "UINT")):
        return None
    scales = tuple(float(scale) for scale in parameters["scales"])
    zeros = tuple(int(zero) for zero in parameters["zero_points"])
    return Quantization(scales, zeros, int(parameters["quantized_dimension"]))
