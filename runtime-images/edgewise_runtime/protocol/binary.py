"""The binary tensor extension: after the JSON part come the bytes of each tensor that says so, in order, no gaps."""

from __future__ import annotations

from edgewise_runtime.errors import BadRequestError, shown
from edgewise_runtime.protocol import fields, rules
from edgewise_runtime.protocol.datatypes import unpack
from edgewise_runtime.protocol.jsondata import from_json
from edgewise_runtime.protocol.messages import Scalar, Tensor

SIZE = "binary_data_size"
HEADER = "Inference-Header-Content-Length"


class Tail:
    """The bytes after the JSON part, taken piece by piece."""

    def __init__(self, raw: memoryview) -> None:
        self._raw = raw

    def take(self, size: Scalar, name: str) -> memoryview:
        """The next `size` bytes, not copied."""
        if type(size) is not int or size < 0:
            raise BadRequestError(f"{name}: {SIZE} must be a number of bytes, not {shown(size)}")
        if size > self._raw.nbytes:
            raise BadRequestError(
                f"{name}: {SIZE} is {shown(size)}, only {self._raw.nbytes} bytes are left in the body"
            )
        piece, self._raw = self._raw[:size], self._raw[size:]
        return piece

    def finish(self) -> None:
        if self._raw.nbytes:
            raise BadRequestError(f"{self._raw.nbytes} bytes follow the last tensor; is a {SIZE}, or {HEADER}, wrong?")


def split(body: memoryview, json_size: int | None) -> tuple[fields.Json, Tail]:
    """The JSON part and the rest; without the header the whole body is JSON."""
    if json_size is None:
        return fields.parse_json(body), Tail(memoryview(b""))
    if json_size > body.nbytes:
        raise BadRequestError(f"{HEADER} is {json_size}, the body has {body.nbytes} bytes")
    return fields.parse_json(body[:json_size]), Tail(body[json_size:])


def read_tensors(message: fields.Json, key: str, tail: Tail) -> tuple[Tensor, ...]:
    """The `inputs` of a request or the `outputs` of a response (which may be empty: no object detected), complete."""
    tensors = tuple([_tensor(item, tail, key) for item in fields.objects(message, key)])
    tail.finish()
    rules.distinct([tensor.name for tensor in tensors], key)
    return tensors


def _tensor(item: fields.Json, tail: Tail, key: str) -> Tensor:
    name = rules.name(item.get("name"), key)
    datatype = rules.datatype(item.get("datatype"), name)
    parameters = fields.parameters(item, f"{name}: ")
    rules.no_shared_memory(parameters, name)
    shape = rules.shape(item.get("shape"), name, least=0 if key == "outputs" else 1)
    if SIZE not in parameters:
        return Tensor(name, datatype, from_json(item.get("data"), datatype, shape, name))
    if item.get("data") is not None:
        raise BadRequestError(f"{name}: carries both data and {SIZE}; send one of them")
    return Tensor(name, datatype, unpack(tail.take(parameters[SIZE], name), datatype, shape, name))
