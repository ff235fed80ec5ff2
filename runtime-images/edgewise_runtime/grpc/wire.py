"""Takes a ModelInferRequest apart before protobuf sees it, and puts a ModelInferResponse together after it.

Raw tensors stay where they lie in the received message, and are copied once into the sent one; protobuf would copy each
twice. It also would give a hundred bytes of memory to each two-byte entry of a hostile message: here the entries are
counted first.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgewise_runtime.errors import BadRequestError

MAX_FIELDS = 1024
"""Of the outermost level: 256 each of inputs, their contents and outputs, and some parameters."""
_RAW_INPUT = 7
_RAW_OUTPUT_TAG = b"\x32"  # field 6, bytes
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def split_request(body: memoryview) -> tuple[bytes, list[tuple[int, int]]]:
    """(the message without its raw tensors, where those begin and end). BadRequestError."""
    raw: list[tuple[int, int]] = []
    head: list[memoryview] = []
    at = kept = fields = 0
    while at < len(body):
        fields += 1
        if fields > MAX_FIELDS:
            raise BadRequestError(f"the message has more than {MAX_FIELDS} fields")
        start = at
        tag, at = read_varint(body, at)
        size, at = read_payload(body, tag & 7, at)
        if at + size > len(body):
            raise _invalid()
        if tag == _RAW_INPUT << 3 | _BYTES:
            head.append(body[kept:start])
            raw.append((at, at + size))
            kept = at + size
        at += size
    head.append(body[kept:])
    return b"".join(head), raw


def join_response(head: bytes, raw: Iterable[memoryview | bytes]) -> list[memoryview | bytes]:
    """The serialised message with `raw` as its raw_output_contents, in parts: in protobuf, to append is to merge."""
    parts: list[memoryview | bytes] = [head]
    for content in raw:
        parts += (_RAW_OUTPUT_TAG, as_varint(len(content)), content)
    return parts


def read_payload(body: memoryview, kind: int, at: int) -> tuple[int, int]:
    """(size of a field's content, where it begins); it may reach past the end. BadRequestError."""
    if kind == _BYTES:
        return read_varint(body, at)
    if kind == _VARINT:
        _, end = read_varint(body, at)
        return end - at, at
    if kind in (_FIXED32, _FIXED64):
        return 4 if kind == _FIXED32 else 8, at
    raise _invalid()


def read_varint(body: memoryview, at: int) -> tuple[int, int]:
    """(number, where it ends): seven bits a byte, the lowest first. BadRequestError where it does not end."""
    if at < len(body) and body[at] < 0x80:
        return body[at], at + 1
    number = 0
    for position, byte in enumerate(body[at : at + 10]):
        number |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return number, at + position + 1
    raise _invalid()


def as_varint(number: int) -> bytes:
    """As protobuf writes lengths."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _invalid() -> BadRequestError:
    return BadRequestError("the message is no valid protobuf")
