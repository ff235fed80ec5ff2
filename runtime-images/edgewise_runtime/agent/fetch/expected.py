"""What the bytes of a download must be, and how many of them there may be. Asked by fetch/transfer.py and local.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edgewise.api.names import Reason
from edgewise_runtime.agent.failure import Failure

STEP = 2**23  # bytes for which room is made at a time where nobody says how many there will be


@dataclass
class Expected:
    """Of one try at one source."""

    sha256: str
    size: int | None
    """Bytes, where the EdgeModel says so."""
    most: int
    """Bytes that may be written in any case: what the cache has room for."""
    make_room: Callable[[int], object] = field(default=lambda _: None)
    """Told how big the file gets, before it does; blocks; Failure where there is no room."""
    _room: int = 0
    _told: int | None = None

    def check_length(self, length: int, where: str) -> None:
        """Failure where `length` bytes are too many: told by a header before any was read, or counted."""
        if self.size is not None and length > self.size:
            raise Failure(Reason.HASH_MISMATCH, f"{where} has more than the {self.size} bytes of source.size")
        if length > self.most:
            message = f"{where} has more than the {self.most} bytes left in the cache; raise serving.cache.limit"
            raise Failure(Reason.SOURCE_REFUSED, message)

    def told(self, length: int) -> None:
        """The server says how long the file is."""
        self._told = length

    def needs_room(self, length: int) -> bool:
        """Whether `grow` has something to do: it may take a thread."""
        return length > self._room

    def grow(self, length: int) -> None:
        """Make room for `length` bytes, and some more where nobody knows how many will come. Blocks."""
        room = max(length, self.size or self._told or min(self.most, self._room + STEP))
        self.make_room(room)
        self._room = room

    def check_whole(self, length: int, where: str) -> None:
        """Failure where a body has come to its end too early."""
        if self.size is not None and length < self.size:
            message = f"{where} ends after {length} of the {self.size} bytes of source.size"
            raise Failure(Reason.HASH_MISMATCH, message)
