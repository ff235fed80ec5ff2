"""The outside of a delta: what it starts from, what it ends at, and frames that each hold the next piece of the file.

    header | frame | frame | …        all numbers little-endian
    header = magic, version, log2 of the bytes a frame makes, size and sha256 of the base, size and sha256 of the file
    frame  = kind, bytes of the body, body

Every frame makes 2^n bytes, the last one what is left, so nothing in a frame can say how much memory to take.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

MAGIC = b"\x89EWD\r\n\x1a\n"  # as PNG's: shows a transfer that takes it for text
VERSION = 1
SMALLEST, LARGEST = 16, 22
"""log2 of the bytes of a frame: of 64 KiB to 4 MiB, since a device holds a few of them at once."""
NO_BASE = bytes(32)
_HEADER = struct.Struct("<8sBBQ32sQ32s")
_FRAME = struct.Struct("<BI")


class DeltaError(ValueError):
    """Not a delta that can be applied here. `reason`: one word for a counter."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Kind(IntEnum):
    """How a frame's body makes its piece."""

    STORED = 0
    """As it is."""
    PLAIN = 1
    """zstd."""
    PATCH = 2
    """zstd, with a stretch of the base as its dictionary."""
    PLANES = 3
    """Differences from stretches of the base, byte planes apart."""


@dataclass(frozen=True)
class Header:
    """What is said before the first frame."""

    base_size: int
    base_sha256: str
    """Empty: there is no base, the file is only compressed."""
    size: int
    sha256: str
    frame_log: int

    @property
    def frame_size(self) -> int:
        return 1 << self.frame_log

    def pack(self) -> bytes:
        base = bytes.fromhex(self.base_sha256) or NO_BASE
        full = bytes.fromhex(self.sha256)
        return _HEADER.pack(MAGIC, VERSION, self.frame_log, self.base_size, base, self.size, full)

    @classmethod
    def read(cls, file: BinaryIO) -> Header:
        """DeltaError where the file is none, or of a later version."""
        raw = file.read(_HEADER.size)
        if not raw.startswith(MAGIC):
            raise DeltaError("unknown", "this is no delta")
        if len(raw) < _HEADER.size:
            raise DeltaError("corrupt", "the delta ends within its header")
        _, version, frame_log, base_size, base, size, full = _HEADER.unpack(raw)
        if version != VERSION:
            raise DeltaError("unknown", f"the delta has version {version}, this device knows {VERSION}")
        if not SMALLEST <= frame_log <= LARGEST:
            raise DeltaError("unknown", f"the delta has frames of 2^{frame_log} bytes; at most 2^{LARGEST} are taken")
        return cls(base_size, "" if base == NO_BASE else base.hex(), size, full.hex(), frame_log)


def pack_frame(kind: Kind, body: bytes) -> bytes:
    return _FRAME.pack(kind, len(body)) + body


def read_frame(file: BinaryIO, most: int) -> tuple[Kind, bytes]:
    """DeltaError where the file ends first, or the body has more than `most` bytes: stored, it has no more."""
    raw = file.read(_FRAME.size)
    if len(raw) < _FRAME.size:
        raise DeltaError("corrupt", "the delta ends too early")
    kind, length = _FRAME.unpack(raw)
    if length > most:
        raise DeltaError("corrupt", f"a frame of the delta claims {length} bytes to make {most}")
    body = file.read(length)
    if len(body) < length:
        raise DeltaError("corrupt", "the delta ends too early")
    try:
        return Kind(kind), body
    except ValueError as error:
        raise DeltaError("unknown", f"the delta has frames of kind {kind}, which this device does not know") from error
