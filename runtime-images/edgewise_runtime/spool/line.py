"""What waits for the disk: a few examples, bounded; when more come than it takes, the surest go. Used by spool.py.

In memory alone, on the event loop alone: an offer is a comparison or two.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field

from edgewise_runtime.spool.example import Example, Loss
from edgewise_runtime.spool.store import worth

MOST_WAITING = 32  # examples
MOST_BYTES = 16 * 2**20  # of tensors: they hold their requests' memory meanwhile


@dataclass(frozen=True, order=True)
class Offered:
    """The least sure comes first, of those equally sure the newest."""

    confidence: float
    order: float
    example: Example = field(compare=False)
    size: int = field(compare=False)

    @property
    def taken(self) -> float:
        """Unix time."""
        return -self.order


class Line:
    """Sorted by worth."""

    def __init__(self) -> None:
        self._waiting: list[Offered] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, example: Example, taken: float) -> Iterator[Loss]:
        """Why examples were dropped for it, itself perhaps among them: one reason for each. `taken`: Unix time."""
        new = Offered(worth(example.confidence), -taken, example, example.nbytes)
        if new.size > MOST_BYTES:
            yield "large"
            return
        insort(self._waiting, new)
        self._bytes += new.size
        while len(self._waiting) > MOST_WAITING or self._bytes > MOST_BYTES:
            self._bytes -= self._waiting.pop().size
            yield "busy"

    def pop(self) -> Offered:
        """The most valuable; IndexError where there is none."""
        first = self._waiting.pop(0)
        self._bytes -= first.size
        return first
