"""ModelInferRequest out and ModelInferResponse in, without protobuf: its messages take 27 MiB, and these are short.

Tensors are always raw, and stay where they lie. Proven equal to the published messages in tests/runtime/targets.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgewise_runtime.errors import BadRequestError
from edgewise_runtime.grpc.wire import MAX_FIELDS, as_varint, read_payload, read_varint
from edgewise_runtime.protocol import rules
from edgewise_runtime.protocol.datatypes import pack, unpack
from edgewise_runtime.protocol.messages import InferRequest, InferResponse, Tensor

Part = bytes | memoryview
_BYTES = 2
_MODEL, _VERSION, _ID = 1, 2, 3
_TENSORS = 5
_WANTED, _RAW_INPUT, _RAW_OUTPUT = 6, 7, 6
_NAME, _DATATYPE, _SHAPE = 1, 2, 3


def encode_request(request: InferRequest, model: str) -> list[Part]:
    """The serialised message, in parts. `model`: its name there."""
    head = text(_MODEL, model) + text(_ID, request.id or "")
    head += b"".join(_field(_TENSORS, _described(tensor)) for tensor in request.inputs)
    head += b"".join(_field(_WANTED, text(_NAME, name)) for name in request.outputs)
    parts: list[Part] = [head]
    for tensor in request.inputs:
        raw = pack(tensor.data, tensor.datatype)
        parts += (_opening(_RAW_INPUT, len(raw)), raw)
    return parts


def decode_response(message: memoryview) -> InferResponse:
    """BadRequestError where it is none; the tensors are views of `message`."""
    texts = {_MODEL: "", _VERSION: "", _ID: ""}
    described: list[tuple[str, str, list[int]]] = []
    raw: list[memoryview] = []
    for number, content in fields(message):
        if number in texts:
            texts[number] = string(content)
        elif number == _TENSORS:
            described.append(description(content))
        elif number == _RAW_OUTPUT:
            raw.append(content)
    if len(raw) != len(described):
        raise BadRequestError(
            f"{len(described)} outputs, but {len(raw)} raw_output_contents: a server that is asked with raw tensors "
            "must answer with them, as Triton does"
        )
    outputs = tuple(_tensor(*each) for each in zip(described, raw, strict=True))
    return InferResponse(texts[_MODEL], texts[_VERSION], outputs, texts[_ID] or None)


def _described(tensor: Tensor) -> bytes:
    sizes = b"".join(map(as_varint, tensor.shape))
    return text(_NAME, tensor.name) + text(_DATATYPE, tensor.datatype) + _field(_SHAPE, sizes)


def _tensor(described: tuple[str, str, list[int]], raw: memoryview) -> Tensor:
    name, kind, sizes = described
    datatype, shape = rules.datatype(kind, name), rules.shape(sizes, name, least=0)
    return Tensor(name, datatype, unpack(raw, datatype, shape, name))


def description(message: memoryview) -> tuple[str, str, list[int]]:
    """(name, datatype, shape) of a tensor, as it is said: of an InferOutputTensor, of a TensorMetadata."""
    name, datatype, shape = "", "", list[int]()
    for number, content in fields(message):
        if number == _NAME:
            name = string(content)
        elif number == _DATATYPE:
            datatype = string(content)
        elif number == _SHAPE:
            shape += _sizes(content)
    return name, datatype, shape


def _sizes(content: memoryview) -> Iterator[int]:
    """Packed or not, as protobuf's readers must take both: one number alone looks like a list of one."""
    at = 0
    while at < len(content):
        size, at = read_varint(content, at)
        yield size - 2**64 if size >= 2**63 else size  # -1 is ten bytes of ones


def fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """(number, content) of each field of a message."""
    at = count = 0
    while at < len(message):
        count += 1
        if count > MAX_FIELDS:
            raise BadRequestError(f"the message has more than {MAX_FIELDS} fields")
        tag, at = read_varint(message, at)
        size, at = read_payload(message, tag & 7, at)
        if at + size > len(message):
            raise BadRequestError("the message is cut off")
        yield tag >> 3, message[at : at + size]
        at += size


def string(content: memoryview) -> str:
    try:
        return str(content, "utf-8")
    except UnicodeDecodeError:
        raise BadRequestError("a name in the message is not UTF-8") from None


def text(number: int, value: str) -> bytes:
    """Nothing where it is empty, as protobuf has it."""
    return _field(number, value.encode()) if value else b""


def _field(number: int, content: bytes) -> bytes:
    return _opening(number, len(content)) + content if content else b""


def _opening(number: int, size: int) -> bytes:
    return bytes((number << 3 | _BYTES,)) + as_varint(size)
