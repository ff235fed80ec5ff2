"""How fast bytes may go, either way: a token bucket. Pure; times are handed in. Used by the spool and by downloads."""

from __future__ import annotations

from dataclasses import dataclass

BURST_SECONDS = 1.0  # of the rate, which an idle link may catch up on at once
_PIECE_SECONDS = 0.25
_LEAST, _MOST = 2**10, 2**16


@dataclass
class Pace:
    """Bytes a second; None: no limit."""

    rate: float | None
    burst: float = BURST_SECONDS
    """Seconds of the rate that an idle link may catch up on at once."""
    due: float = 0.0
    """When all that was let go before would have gone at exactly the rate."""

    @property
    def piece(self) -> int:
        """Bytes to ask for at a time: few enough to be even, enough not to be many."""
        return _MOST if self.rate is None else int(min(_MOST, max(_LEAST, self.rate * _PIECE_SECONDS)))

    def wait(self, size: int, now: float) -> float:
        """Seconds to wait before `size` more bytes may go; they count as gone."""
        if self.rate is None:
            return 0.0
        start = max(self.due, now - self.burst)
        self.due = start + size / self.rate
        return max(0.0, self.due - now)
