"""Cuts what arrives on an HTTP/2 connection into frames. The base of connection.py, which knows what they mean.

Payloads of DATA are passed on as they arrive, the rest of a large one is received straight into its message.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod

from edgewise_runtime.grpc.frames import (
    CONTINUATION,
    DATA,
    FRAME_SIZE_ERROR,
    HEAD,
    PADDED,
    PREFACE,
    PROTOCOL_ERROR,
    SETTINGS,
    BrokenRulesError,
)

LARGEST_OTHER = 2**14
_DIRECT = 32 * 1024  # bytes from which on it pays to receive them where they belong


class Reader(asyncio.BufferedProtocol):
    """Frames in."""

    def __init__(self, scratch: bytearray, largest: int) -> None:
        """`scratch`: where what arrives lands first; may be shared by all connections of a loop. `largest`: bytes of a
        frame of DATA."""
        self.largest = largest
        self._scratch = scratch
        self._first = self._room = memoryview(scratch)
        self._rest = bytearray()  # a frame, or the preface, that is not all there
        self.greeted = self._settled = False
        self._left = self._padding = 0  # of a DATA frame's payload
        self._flags = 0
        self.continued = 0
        """The stream of a block of headers that is not complete."""
        self.held = False
        """What arrives has to wait."""
        self.heard = False
        """Something has arrived since this was last set back."""
        self.closing = False
        """What arrives is thrown away."""

    @abstractmethod
    def frame_received(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """A whole frame, but of DATA. BrokenRulesError."""

    @abstractmethod
    def data_begins(self, stream: int, size: int) -> None:
        """A frame of DATA, of which `size` bytes will come, padding included."""

    @abstractmethod
    def data_received(self, chunk: memoryview) -> None:
        """A part of it, to be copied."""

    @abstractmethod
    def data_filled(self, size: int) -> None:
        """A part of it has been received into `data_room`."""

    @abstractmethod
    def data_room(self) -> memoryview:
        """Where its next bytes belong; empty: nowhere in particular."""

    @abstractmethod
    def data_ends(self, flags: int) -> None:
        """All of it was there."""

    @abstractmethod
    def broken(self, error: BrokenRulesError) -> None:
        """The connection cannot go on."""

    def get_buffer(self, _hint: int) -> memoryview:
        return self._room

    def buffer_updated(self, size: int) -> None:
        self.heard = True
        if self.closing:
            return
        try:
            if self.held:
                self._rest += self._first[:size]
                return
            if self._room is not self._first:
                self._left -= size
                self.data_filled(size)
                self._end_data()
            elif self._rest:
                self._rest += self._first[:size]
                self._rest = self._rest[self._cut(self._rest, len(self._rest)) :]
            else:
                at = self._cut(self._scratch, size)
                self._rest += self._first[at:size]
        except BrokenRulesError as error:
            self._rest = bytearray()
            self.broken(error)
        room = self.data_room()[: self._left] if self._left >= _DIRECT else b""
        self._room = memoryview(room) if len(room) >= _DIRECT else self._first

    def go_on(self) -> None:
        """With what had to wait."""
        try:
            self._rest = self._rest[self._cut(self._rest, len(self._rest)) :]
        except BrokenRulesError as error:
            self._rest = bytearray()
            self.broken(error)

    def _cut(self, data: bytearray, end: int) -> int:
        """How many bytes of data[:end] are done with."""
        view = memoryview(data)
        at = 0 if self.greeted else self._greet(view[:end])
        while self.greeted and not self.closing and not self.held:
            if self._left or self._padding:
                at += self._take(view[at:end])
            if end - at < HEAD or self._left or self._padding:
                break
            size = int.from_bytes(view[at : at + 3], "big")
            kind, flags = view[at + 3], view[at + 4]
            stream = int.from_bytes(view[at + 5 : at + 9], "big") & 0x7FFFFFFF
            self._check(kind, stream, size)
            start = at + HEAD
            if kind == DATA:
                padded = flags & PADDED
                if padded and end == start:
                    break
                at = start + self._begin_data(stream, size, flags, view[start] if padded else None)
            elif end - start < size:
                break
            else:
                self.frame_received(kind, flags, stream, bytes(view[start : start + size]))
                at = start + size
        return end if self.closing else at

    def _greet(self, view: memoryview) -> int:
        size = min(len(view), len(PREFACE))
        if view[:size] != PREFACE[:size]:
            raise BrokenRulesError(PROTOCOL_ERROR, "this port speaks HTTP/2, for gRPC")
        self.greeted = size == len(PREFACE)
        return size if self.greeted else 0

    def _check(self, kind: int, stream: int, size: int) -> None:
        if size > (self.largest if kind == DATA else LARGEST_OTHER):
            raise BrokenRulesError(FRAME_SIZE_ERROR, f"a frame of {size} bytes")
        if not self._settled and kind != SETTINGS:
            raise BrokenRulesError(PROTOCOL_ERROR, "the first frame must be SETTINGS")
        self._settled = True
        if self.continued and (kind != CONTINUATION or stream != self.continued):
            raise BrokenRulesError(PROTOCOL_ERROR, "another frame within a block of headers")

    def _begin_data(self, stream: int, size: int, flags: int, padding: int | None) -> int:
        """How many bytes of the payload are done with."""
        taken = 0 if padding is None else 1
        self._padding = padding or 0
        if self._padding + taken > size:
            raise BrokenRulesError(PROTOCOL_ERROR, "more padding than payload")
        self._left, self._flags = size - taken - self._padding, flags
        self.data_begins(stream, size)
        self._end_data()
        return taken

    def _take(self, view: memoryview) -> int:
        """How many bytes of a DATA frame's payload there were."""
        size = min(self._left, len(view))
        skipped = min(self._padding, len(view) - size)
        if size:
            self._left -= size
            self.data_received(view[:size])
        self._padding -= skipped
        self._end_data()
        return size + skipped

    def _end_data(self) -> None:
        if not self._left and not self._padding:
            self.data_ends(self._flags)
