"""Atheris: looks for ways through the decoder that no input took before. A program of its own, for it never returns.

`python -m tests.runtime.fuzz.atheris_target -runs=20000 -seed=1` ends with status 0 when nothing was found, else it
prints the input. An input is: two bytes that say how long the JSON part is (0xffff: all of it), then the body.
"""

import sys
from random import Random

import atheris

with atheris.instrument_imports(include=["edgewise_runtime.protocol"]):
    from edgewise_runtime.protocol.requests import decode_request

from edgewise_runtime.errors import BadRequestError
from tests.runtime.fuzz import reference
from tests.runtime.fuzz.mutations import altered, bytes_changed
from tests.runtime.fuzz.requests import Request, good

_ALL_JSON = 0xFFFF


def once(data: bytes) -> None:
    """Any error but BadRequestError is a find; so is a tensor the reference does not read the same way."""
    if len(data) < 2:
        return
    head, body = int.from_bytes(data[:2], "big"), data[2:]
    size = None if head == _ALL_JSON else head
    try:
        request = decode_request(memoryview(body), size, "m", "")
    except BadRequestError:
        return
    expected = reference.request(body, size).tensors
    for tensor in request.inputs:
        values = reference.values_of(tensor.data, tensor.datatype)
        assert expected[tensor.name] == reference.Tensor(tensor.datatype, tensor.shape, values), expected[tensor.name]


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Half libFuzzer's own way, half a good request spoilt in its structure: random bytes are rarely JSON."""
    random = Random(seed)
    if random.random() < 0.5:
        return bytes(atheris.Mutate(data, max_size))
    request = good(random)
    document = request.document
    for _ in range(random.randint(0, 3)):
        document = altered(document, random)
    return packed(Request(request.path, document, request.tail, request.binary), random)[:max_size]


def packed(request: Request, random: Random) -> bytes:
    """As `once` takes it."""
    size = len(request.text) if request.binary else _ALL_JSON
    body = request.body if random.random() < 0.7 else bytes_changed(request.body, random)
    return min(size, _ALL_JSON).to_bytes(2, "big") + body


if __name__ == "__main__":
    atheris.Setup(sys.argv, once, custom_mutator=mutate)
    atheris.Fuzz()
