"""Puts the messages of one call together out of what arrives of it. Used by call.py.

A message that does not arrive in one piece is received into memory of its own, placed as the one of that size before it
would have needed it: tensors are then used where they lie. What comes behind a message that waits for its turn is kept
as it came, so that a million empty messages take no more than their bytes.
"""

from __future__ import annotations

from edgewise_runtime.errors import BadRequestError, TooLargeError
from edgewise_runtime.grpc.layouts import tensor_at
from edgewise_runtime.ports.content import aligned

PREFIX = 5
"""Bytes before each message: whether it is compressed, and its length."""
_NOTHING = memoryview(b"")


class Inbox:
    """`first`: the content of the message whose turn it is, complete; None: it is not there."""

    __slots__ = ("_at", "_later", "_limit", "_message", "_prefix", "first", "packed", "room")

    keeps = True
    """Whether what it is fed takes memory."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes of a message."""
        self._limit = limit
        self._prefix = b""
        self._message: memoryview | None = None  # that is arriving
        self._later, self._at = bytearray(), 0  # what is not looked at yet, and where that begins
        self.first: memoryview | None = None
        self.packed = False
        """Whether `first` is compressed."""
        self.room = _NOTHING
        """Where the rest of the message that is arriving belongs."""

    @property
    def more(self) -> bool:
        """Whether something has arrived that is no whole message, or belongs to the next one."""
        return self._message is not None or bool(self._prefix) or bool(self._later)

    def feed(self, data: memoryview) -> None:
        """BadRequestError, TooLargeError."""
        if self.first is None:
            data = self._parsed(data)
        self._later += data

    def filled(self, size: int) -> None:
        """`size` bytes have been received into `room`."""
        self.room = self.room[size:]
        if not self.room:
            self.first, self._message = self._message, None

    def take(self) -> memoryview:
        """The first message, which must be there; the next one takes its place."""
        message, self.first = self.first, None
        assert message is not None  # noqa: S101  callers look first
        if self._later:
            with memoryview(self._later) as later:
                self._at = len(later) - len(self._parsed(later[self._at :]))
            if self._at * 2 >= len(self._later):
                del self._later[: self._at]
                self._at = 0
        return message

    def _parsed(self, data: memoryview) -> memoryview:
        """What is left of `data` behind the first message."""
        while data and self.first is None:
            if self._message is not None:
                size = min(len(self.room), len(data))
                self.room[:size] = data[:size]
                self.filled(size)
                data = data[size:]
                continue
            missing = PREFIX - len(self._prefix)
            self._prefix += data[:missing]
            data = data[missing:]
            if len(self._prefix) == PREFIX:
                data = self._begin(data)
        return data

    def _begin(self, data: memoryview) -> memoryview:
        """What follows the message, where all of that is there already."""
        flag, size = self._prefix[0], int.from_bytes(self._prefix[1:], "big")
        self._prefix = b""
        if flag > 1:
            raise BadRequestError("what was sent is no gRPC message")
        if size > self._limit:
            raise TooLargeError(f"the message is larger than the {self._limit} bytes this device takes")
        self.packed = flag == 1
        if size <= len(data):
            self.first = memoryview(bytes(data[:size]))
            return data[size:]
        self._message = self.room = aligned(size, tensor_at(size))
        return data


class Bin(Inbox):
    """Throws away what it is fed."""

    __slots__ = ()

    keeps = False

    def feed(self, data: memoryview) -> None:
        pass
