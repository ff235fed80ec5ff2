"""HTTP/2's frames (RFC 9113) as far as gRPC needs them: numbers, and bytes to be sent."""

from __future__ import annotations

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""How each connection begins."""
HEAD = 9
"""Bytes before each frame's payload."""

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0x0, 0x1, 0x2, 0x3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 0x5, 0x6, 0x7, 0x8, 0x9
ENHANCE_YOUR_CALM = 0xB

TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME, MAX_HEADER_LIST = range(1, 7)

WINDOW = 65535
"""Of a connection, and of each stream, until somebody says otherwise."""
MAX_WINDOW = 2**31 - 1
SMALLEST_FRAME, LARGEST_FRAME = 2**14, 2**24 - 1
"""What MAX_FRAME may be; the first is what it is until somebody says otherwise."""


class BrokenRulesError(Exception):
    """The client breaks the rules in a way after which nothing it sends can be understood."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def frame_head(size: int, kind: int, flags: int, stream: int) -> bytes:
    return struct.pack("!HBBBI", size >> 8, size & 0xFF, kind, flags, stream)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return frame_head(len(payload), kind, flags, stream) + payload


def settings(values: dict[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack("!HI", key, value) for key, value in values.items()))


def window_update(stream: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack("!I", size))


def reset(stream: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack("!I", code))


def goaway(last: int, code: int, text: str = "") -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack("!II", last, code) + text.encode()[:200])
