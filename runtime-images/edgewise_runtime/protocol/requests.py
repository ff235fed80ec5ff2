"""Inference requests: bytes to InferRequest for the server, InferRequest to bytes for the escalation client."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import orjson

from edgewise_runtime.engines.base import TensorSpec
from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.protocol import fields, rules
from edgewise_runtime.protocol.binary import SIZE, read_tensors, split
from edgewise_runtime.protocol.datatypes import BYTES, item_size, pack, unpack
from edgewise_runtime.protocol.layouts import LONGEST, Layouts
from edgewise_runtime.protocol.messages import InferRequest, Tensor

BINARY_DEFAULT = "binary_data_output"
BINARY = "binary_data"
TIMEOUT = "timeout"

_layouts = Layouts()


def decode_request(body: memoryview, json_size: int | None, model: str, version: str) -> InferRequest:
    """A request body; `json_size` is the value of Inference-Header-Content-Length. The tensors are views of `body`."""
    if json_size is None or not 0 < json_size <= LONGEST:
        return _decode(body, json_size, model, version)
    raw, tail = bytes(body[:json_size]), body[json_size:]
    request = _layouts.read(raw, tail, model, version)
    if request is None:
        request = _decode(body, json_size, model, version)
        _layouts.learn(raw, tail, request)
    return request


def _decode(body: memoryview, json_size: int | None, model: str, version: str) -> InferRequest:
    message, tail = split(body, json_size)
    inputs = read_tensors(message, "inputs", tail)
    if not inputs:
        raise BadRequestError("the request has no inputs")
    parameters = fields.parameters(message, "")
    binary = _outputs(message)
    default = rules.flag(parameters, BINARY_DEFAULT, "parameters") or False
    return InferRequest(
        model=model,
        version=version,
        id=fields.text(message, "id"),
        parameters=parameters,
        inputs=inputs,
        outputs=tuple(binary),
        binary={name: wanted for name, wanted in binary.items() if wanted is not None},
        binary_default=default,
        timeout=rules.microseconds(parameters, TIMEOUT),
    )


def decode_raw(body: memoryview, inputs: Sequence[TensorSpec], model: str, version: str) -> InferRequest:
    """A raw binary request (header value 0): the whole body is the model's one input, one sample of it.

    The answer is binary, too; but who sends a picture or a text with curl wants to read it, and gets JSON."""
    if len(inputs) != 1:
        raise BadRequestError(f"a raw binary request needs a model with one input; {model} has {len(inputs)}")
    spec = inputs[0]
    if spec.datatype == BYTES:
        tensor = _one_element(body, spec)
    else:
        shape = _raw_shape(spec, body.nbytes)
        tensor = Tensor(spec.name, spec.datatype, unpack(body, spec.datatype, shape, spec.name))
    return InferRequest(model=model, version=version, inputs=(tensor,), binary_default=spec.datatype != BYTES)


def encode_request(request: InferRequest) -> tuple[bytes, int]:
    """(body, length of its JSON part): inputs and wanted outputs binary; the server must have the extension."""
    packed = [pack(tensor.data, tensor.datatype) for tensor in request.inputs]
    message: fields.Json = {
        "inputs": [
            {"name": t.name, "datatype": t.datatype, "shape": list(t.shape), "parameters": {SIZE: len(raw)}}
            for t, raw in zip(request.inputs, packed, strict=True)
        ]
    }
    if request.id is not None:
        message["id"] = request.id
    if request.outputs:
        message["outputs"] = [{"name": name, "parameters": {BINARY: True}} for name in request.outputs]
    else:
        message["parameters"] = {BINARY_DEFAULT: True}
    head = orjson.dumps(message)
    return b"".join([head, *packed]), len(head)


def _outputs(message: fields.Json) -> dict[str, bool | None]:
    """{requested output: whether it wants binary data, where it says}."""
    outputs = fields.objects(message, "outputs")
    if not outputs:
        return {}
    names = [rules.name(item.get("name"), "outputs") for item in outputs]
    rules.distinct(names, "outputs")
    return {name: _wants_binary(item, name) for name, item in zip(names, outputs, strict=True)}


def _wants_binary(output: fields.Json, name: str) -> bool | None:
    parameters = fields.parameters(output, f"{name}: ")
    rules.no_extension(parameters, name)
    return rules.flag(parameters, BINARY, name)


def _one_element(body: memoryview, spec: TensorSpec) -> Tensor:
    """A picture, say: the body is the element, without a length before it."""
    if any(size not in (-1, 1) for size in spec.shape):
        raise BadRequestError(f"{spec.name}: BYTES {list(spec.shape)} cannot be sent raw; send a JSON part")
    element = np.empty((1,) * len(spec.shape), dtype=object)
    element.fill(bytes(body))
    return Tensor(spec.name, BYTES, element)


def _raw_shape(spec: TensorSpec, size: int) -> tuple[int, ...]:
    """The first variable dimension is a batch of 1; one more may be worked out from the size."""
    shape = list(spec.shape)
    if shape and shape[0] == -1:
        shape[0] = 1
    if shape.count(-1) > 1:
        raise BadRequestError(
            f"{spec.name}: shape {list(spec.shape)} cannot be worked out from a raw request; send a JSON part"
        )
    if -1 in shape:
        known = item_size(spec.datatype) * math.prod(length for length in shape if length != -1)
        if size % known or not size:
            raise BadRequestError(f"{spec.name}: {size} bytes do not fill shape {list(spec.shape)}")
        shape[shape.index(-1)] = size // known
    return tuple(shape)
