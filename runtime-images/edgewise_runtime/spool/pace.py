"""How fast examples may leave: a token bucket. Pure; times are handed in."""

from __future__ import annotations

from dataclasses import dataclass

BURST_SECONDS = 1.0  # of the rate, which an idle link may catch up on at once
_PIECE_SECONDS = 0.25
_LEAST, _MOST = 2**10, 2**16


@dataclass
class Pace:
    """Bytes a second; None: no limit."""

    rate: float | None
    _due: float = 0.0
    """When all that was let go before would have left at exactly the rate."""

    @property
    def piece(self) -> int:
        """Bytes to ask for at a time: few enough to be even, enough not to be many."""
        return _MOST if self.rate is None else int(min(_MOST, max(_LEAST, self.rate * _PIECE_SECONDS)))

    def wait(self, size: int, now: float) -> float:
        """Seconds to wait before `size` more bytes may leave; they count as sent."""
        if self.rate is None:
            return 0.0
        start = max(self._due, now - BURST_SECONDS)
        self._due = start + size / self.rate
        return max(0.0, self._due - now)
