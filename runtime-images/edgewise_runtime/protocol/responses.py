"""Inference responses: InferResponse to bytes for the server, bytes to InferResponse for the escalation client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import orjson

from edgewise_runtime.protocol import fields
from edgewise_runtime.protocol.binary import SIZE, read_tensors, split
from edgewise_runtime.protocol.datatypes import pack
from edgewise_runtime.protocol.jsondata import to_json
from edgewise_runtime.protocol.messages import InferResponse, Tensor


@dataclass(slots=True)
class Encoded:
    """A body in parts, to be sent one after the other; the tensors among them are views, not copies."""

    parts: list[memoryview | bytes]
    json_size: int | None
    """Length of the JSON part where binary data follows."""
    size: int


def encode_response(response: InferResponse, binary: Callable[[str], bool]) -> Encoded:
    """`binary` says which outputs want to be binary."""
    tails: list[memoryview | bytes] = []
    outputs = [_output(tensor, binary(tensor.name), tails) for tensor in response.outputs]
    message: fields.Json = {"model_name": response.model, "model_version": response.version, "outputs": outputs}
    if response.id is not None:
        message["id"] = response.id
    if response.parameters:
        message["parameters"] = response.parameters
    head = orjson.dumps(message, None, orjson.OPT_SERIALIZE_NUMPY)
    if not tails:
        return Encoded([head], None, len(head))
    return Encoded([head, *tails], len(head), len(head) + sum(map(len, tails)))


def decode_response(body: memoryview, json_size: int | None) -> InferResponse:
    """A server's answer. BadRequestError where it is none; the tensors are views of `body`."""
    message, tail = split(body, json_size)
    return InferResponse(
        model=fields.text(message, "model_name") or "",
        version=fields.text(message, "model_version") or "",
        id=fields.text(message, "id"),
        outputs=read_tensors(message, "outputs", tail),
    )


def _output(tensor: Tensor, binary: bool, tails: list[memoryview | bytes]) -> fields.Json:
    data = tensor.data
    output: fields.Json = {"name": tensor.name, "datatype": tensor.datatype, "shape": data.shape}
    if binary:
        raw = pack(data, tensor.datatype)
        tails.append(raw)
        output["parameters"] = {SIZE: len(raw)}
    else:
        output["data"] = to_json(data)
    return output
