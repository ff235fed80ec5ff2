"""Where the content of a request is kept: within bounds, unpacked, and so that tensors can be used where they lie."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from edgewise_runtime.errors import BadRequestError, OverloadedError, TooLargeError, shown

_CACHE_LINE = 64
_ANY_NUMBER = 16  # where Python's allocator places things, too
_SMALL = 16 * 1024
_GZIP, _ZLIB, _DEFLATE = 31, 15, -15  # zlib's window sizes say which format to expect


@dataclass(frozen=True)
class Intake:
    """How a body is taken in, as its head says."""

    limit: int = 0
    """Bytes, also after unpacking."""
    binary_at: int = 0
    """Where the binary part starts."""
    encoding: str = ""
    """gzip or deflate; empty: as it is."""
    advice: str = ""
    """What to change where a body is too large."""

    def too_large(self) -> TooLargeError:
        return TooLargeError(f"the body is larger than the {self.limit} bytes this device takes{self.advice}")


def aligned(length: int, binary_at: int) -> memoryview:
    """Memory for `length` bytes whose byte `binary_at` lies at a multiple of 64. Not filled with anything.

    At a multiple of 16 where it is small: that is what any number needs, and takes a third of the time.
    OverloadedError where the system has none."""
    if length <= _SMALL:
        skip = -binary_at % _ANY_NUMBER
        return memoryview(bytearray(skip + length))[skip:]
    try:
        whole = np.empty(length + _CACHE_LINE, np.uint8)
    except MemoryError:
        raise OverloadedError(f"there is no memory for the {length} bytes of this request now") from None
    address: int = whole.__array_interface__["data"][0]
    skip = -(address + binary_at) % _CACHE_LINE
    return whole.data[skip : skip + length]


def placed(content: bytes | bytearray | memoryview, binary_at: int) -> memoryview:
    """A copy of `content` where tensors may lie."""
    body = aligned(len(content), binary_at)
    body[:] = content
    return body


def unpacked(body: memoryview, intake: Intake) -> memoryview:
    """A compressed body's content. Blocking. Unpacks no more than fits, whatever a small body may claim to hold."""
    try:
        return placed(_inflated(body, intake), intake.binary_at)
    except zlib.error as error:
        raise BadRequestError(f"the body is not what its headers say: {shown(str(error))}") from None


def _inflated(body: memoryview, intake: Intake) -> bytes:
    window = _GZIP
    if intake.encoding == "deflate":  # the standard means zlib, some clients send the bare stream
        window = _ZLIB if body and body[0] & 0x0F == 8 else _DEFLATE
    unpack = zlib.decompressobj(window)
    content = unpack.decompress(body, intake.limit + 1)
    if len(content) > intake.limit:
        raise intake.too_large()
    if not unpack.eof or unpack.unused_data:
        raise zlib.error("the compressed data is cut off, or more follows it")
    return content
