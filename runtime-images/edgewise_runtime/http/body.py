"""Takes a request's body in, within bounds. The connection fills one of these; the application gets its bytes.

Bodies of a known length are received straight into memory placed so that their binary part starts at a multiple of 64:
tensors are then used where they lie. Compressed ones are kept as they came; ports/content.py unpacks them later.
"""

from __future__ import annotations

import httptools

from edgewise_runtime.errors import BadRequestError, UnsupportedEncodingError, shown
from edgewise_runtime.http.head import MAX_FIELDS, MAX_HEAD, Head
from edgewise_runtime.ports.content import Intake, aligned, placed

_BEFORE_CHUNKS = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


def encoding_of(head: Head) -> str:
    """What `Intake.encoding` needs; UnsupportedEncodingError names what is understood."""
    encoding = head.headers.get("content-encoding", "").lower()
    if encoding in ("", "identity"):
        return ""
    if encoding in ("gzip", "deflate"):
        return encoding
    raise UnsupportedEncodingError(f"Content-Encoding {shown(encoding)} is not understood; use gzip or deflate")


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
