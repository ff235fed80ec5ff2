"""gRPC requests, good and spoilt: in their fields, in the raw tensors, and in the bytes of the message."""

from collections.abc import Callable
from random import Random
from typing import Any

from tritonclient.grpc import service_pb2

from tests.runtime.fuzz.mutations import bytes_changed
from tests.runtime.fuzz.requests import sample
from tests.runtime.tinyonnx import ONNX_TYPES

TYPED = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
_NUMBERS = [-(2**63), -(2**31), -129, -1, 0, 1, 2, 3, 128, 300, 2**31 - 1, 2**32, 2**62, 2**63 - 1]
_TEXTS = ["", "x", "y", "FP32", "BF16", "BYTES", "echo-FP32", "echo-INT8", "1", "\x00", "💥", "n" * 2000]


def good(random: Random) -> Any:
    """A ModelInferRequest that has to be answered."""
    datatype = random.choice(list(ONNX_TYPES))
    tensor = sample(datatype, random)
    request = service_pb2.ModelInferRequest(model_name=f"echo-{datatype}", id=random.choice(["", "request 7"]))
    item = request.inputs.add(name="x", datatype=datatype, shape=tensor.shape)
    if datatype not in TYPED or random.random() < 0.5:
        request.raw_input_contents.append(tensor.raw)
    else:
        values = [v.encode() for v in tensor.values] if datatype == "BYTES" else tensor.values
        getattr(item.contents, TYPED[datatype]).extend(values)
    if random.random() < 0.3:
        request.outputs.add(name="y")
    return request


def spoilt(random: Random) -> bytes:
    """The bytes of a request with something wrong with it."""
    request = good(random)
    if random.random() < 0.6:
        for _ in range(random.randint(1, 3)):
            random.choice(_CHANGES)(request, random)
    raw: bytes = request.SerializeToString()
    if random.random() < 0.5:
        for _ in range(random.randint(1, 3)):
            raw = bytes_changed(raw, random)
    return raw


def _shape(request: Any, random: Random) -> None:
    for item in request.inputs:
        if random.random() < 0.5 or not item.shape:
            item.shape.append(random.choice(_NUMBERS))
        else:
            item.shape[random.randrange(len(item.shape))] = random.choice(_NUMBERS)


def _text(request: Any, random: Random) -> None:
    owner, name = random.choice(
        [(request, "model_name"), (request, "model_version"), (request, "id")]
        + [(item, name) for item in request.inputs for name in ("name", "datatype")]
        + [(item, "name") for item in request.outputs]
    )
    setattr(owner, name, random.choice(_TEXTS))


def _raw(request: Any, random: Random) -> None:
    if request.raw_input_contents and random.random() < 0.6:
        at = random.randrange(len(request.raw_input_contents))
        request.raw_input_contents[at] = bytes_changed(request.raw_input_contents[at], random)
    else:
        request.raw_input_contents.append(random.randbytes(random.choice([0, 1, 4, 16, 300])))


def _contents(request: Any, random: Random) -> None:
    """Contents of one kind more, whatever is there already."""
    for item in request.inputs:
        field = random.choice([*TYPED.values()])
        signed = [n for n in _NUMBERS if -(2**31) <= n < 2**31]
        values: dict[str, list[Any]] = {
            "bool_contents": [True],
            "int_contents": signed,
            "uint_contents": [n for n in _NUMBERS if 0 <= n < 2**32],
            "int64_contents": _NUMBERS,
            "uint64_contents": [n for n in _NUMBERS if n >= 0],
            "bytes_contents": [b"", b"\xff", b"x" * 300],
        }
        some = values.get(field, [0.0, -0.0, 1e38, float("nan"), float("inf")])
        getattr(item.contents, field).extend(random.choices(some, k=random.choice([1, 2, 40])))


def _parameter(request: Any, random: Random) -> None:
    owner = random.choice([request, *request.inputs, *request.outputs])
    name = random.choice(["binary_data_size", "shared_memory_region", "classification", "timeout", "priority", ""])
    field = random.choice(["bool_param", "int64_param", "string_param", None])
    parameter = owner.parameters[name]
    if field is not None:
        value = {"bool_param": True, "int64_param": random.choice(_NUMBERS), "string_param": random.choice(_TEXTS)}
        setattr(parameter, field, value[field])


def _again(request: Any, random: Random) -> None:
    items = random.choice([request.inputs, request.outputs])
    for _ in range(random.choice([1, 2, 300])):
        items.add().name = random.choice(_TEXTS)


_CHANGES: list[Callable[[Any, Random], None]] = [_shape, _shape, _text, _raw, _contents, _parameter, _again]
