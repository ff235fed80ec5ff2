"""Inference responses: InferResponse to bytes for the server, bytes to InferResponse for the escalation client."""

from __future__ import annotations

import json
from collections.abc import Callable

from edgewise_runtime.protocol import fields
from edgewise_runtime.protocol.binary import SIZE, read_tensors, split
from edgewise_runtime.protocol.datatypes import pack
from edgewise_runtime.protocol.jsondata import to_json
from edgewise_runtime.protocol.messages import InferResponse, Tensor


def encode_response(response: InferResponse, binary: Callable[[str], bool]) -> tuple[bytes, int | None]:
    """(body, length of its JSON part where binary data follows); `binary` says which outputs want that."""
    message: fields.Json = {"model_name": response.model, "model_version": response.version}
    if response.id is not None:
        message["id"] = response.id
    if response.parameters:
        message["parameters"] = dict(response.parameters)
    tails: list[memoryview | bytes] = []
    message["outputs"] = [_output(tensor, binary(tensor.name), tails) for tensor in response.outputs]
    head = json.dumps(message, separators=(",", ":")).encode()
    return (b"".join([head, *tails]), len(head)) if tails else (head, None)


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
    output: fields.Json = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
    if not binary:
        return output | {"data": to_json(tensor.data)}
    raw = pack(tensor.data)
    tails.append(raw)
    return output | {"parameters": {SIZE: len(raw)}}
