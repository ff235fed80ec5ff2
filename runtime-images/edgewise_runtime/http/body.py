"""Takes a request's body in, within bounds. The connection fills one of these; the application gets its bytes.

Bodies of a known length are received straight into memory placed so that their binary part starts at a multiple of 64:
tensors are then used where they lie. Compressed ones are kept as they came and unpacked by `unpacked`, in a thread.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import httptools
import numpy as np

from edgewise_runtime.errors import BadRequestError, OverloadedError, TooLargeError, UnsupportedEncodingError, shown
from edgewise_runtime.http.head import MAX_FIELDS, MAX_HEAD, Head

_CACHE_LINE = 64
_ANY_NUMBER = 16  # where Python's allocator places things, too
_SMALL = 16 * 1024
_BEFORE_CHUNKS = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
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


def encoding_of(head: Head) -> str:
    """What `Intake.encoding` needs; UnsupportedEncodingError names what is understood."""
    encoding = head.headers.get("content-encoding", "").lower()
    if encoding in ("", "identity"):
        return ""
    if encoding in ("gzip", "deflate"):
        return encoding
    raise UnsupportedEncodingError(f"Content-Encoding {shown(encoding)} is not understood; use gzip or deflate")


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


class SizedBody:
    """A body whose length its head says. The connection receives into `room` and tells of it with `filled`."""

    followed = False

    def __init__(self, length: int, intake: Intake) -> None:
        self._data = self.room = aligned(length, intake.binary_at)

    @property
    def complete(self) -> bool:
        return not self.room

    def add(self, data: memoryview) -> int:
        self.room[: len(data)] = data
        return self.filled(len(data))

    def filled(self, size: int) -> int:
        """How many more bytes are held now."""
        self.room = self.room[size:]
        return size

    def finish(self) -> memoryview:
        return self._data


class ChunkedBody:
    """A body in chunks, of which llhttp reads the grammar. What follows it on its connection is not looked at."""

    def __init__(self, intake: Intake, room: memoryview) -> None:
        """`room`: where the connection receives."""
        self.room = room
        self._intake = intake
        self._data = bytearray()
        self._trailers = 0
        self._idle = 0  # bytes since the last that belonged to the body
        self.complete = False
        self.followed = False
        """The client sent more than this request, and must send it again on another connection."""
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(_BEFORE_CHUNKS)

    def filled(self, size: int) -> int:
        return self.add(self.room[:size])

    def add(self, data: memoryview) -> int:
        """How many more bytes are held now. BadRequestError, TooLargeError."""
        before = len(self._data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ or error from None
        except httptools.HttpParserError as error:
            if not self.complete:
                raise BadRequestError(f"the body is not what its headers say: {error}") from None
            self.followed = True
        more = len(self._data) - before
        self._idle = 0 if more else self._idle + len(data)
        if self._idle > MAX_HEAD and not self.complete:
            raise BadRequestError(f"{self._idle} bytes of trailers or chunk extensions came with no data among them")
        return more

    def finish(self) -> memoryview:
        return placed(self._data, self._intake.binary_at)

    def on_message_begin(self) -> None:
        self.followed = self.complete

    def on_header(self, _name: bytes, _value: bytes) -> None:
        """Trailers, which mean nothing here; and the one that makes the parser expect chunks."""
        self._trailers += 1
        if self._trailers > MAX_FIELDS:
            raise BadRequestError(f"more than {MAX_FIELDS} trailers follow the body")

    def on_body(self, body: bytes) -> None:
        if self.complete:
            return
        if len(self._data) + len(body) > self._intake.limit:
            raise self._intake.too_large()
        self._data += body

    def on_message_complete(self) -> None:
        self.complete = True


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
