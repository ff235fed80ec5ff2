"""What help may cost one device: a share of its requests, a number a minute, bytes a day. Pure; times are handed in.

Counts live in memory: a restarted runtime begins its minute and its day anew.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from edgewise.api import units
from edgewise.api.escalation import Budget

WINDOW = 1000  # requests the ratio looks back on
_GRACE = 20  # the share is taken of at least so many, or the first hard request of a day could not be asked
_DAY = 86400


@dataclass
class Spending:
    """Counts requests and questions, and says whether one more question is within `budget`."""

    budget: Budget
    _seen: int = 0
    _asked: deque[int] = field(default_factory=deque)
    """What `_seen` was at each question, the oldest first."""
    _minute: deque[float] = field(default_factory=deque)
    _day: int = 0
    _bytes: int = 0

    def request(self) -> None:
        """One more request came in, answered by whomever."""
        self._seen += 1

    def allows(self, size: int, now: float, wall: float) -> bool:
        """`size`: bytes about to be sent; `now` is monotonic, `wall` is Unix time."""
        return self._within_ratio() and self._within_minute(now) and self._within_day(size, wall)

    def asked(self, now: float) -> None:
        """A question is being sent."""
        self._asked.append(self._seen)
        if self.budget.requests_per_minute is not None:
            self._minute.append(now)

    def moved(self, size: int, wall: float) -> None:
        """Bytes sent or received."""
        self._turn_day(wall)
        self._bytes += size

    def _within_ratio(self) -> bool:
        while self._asked and self._asked[0] <= self._seen - WINDOW:
            self._asked.popleft()
        if self.budget.ratio is None:
            return True
        allowed: bool = len(self._asked) + 1 <= float(self.budget.ratio) * max(_GRACE, min(self._seen, WINDOW))
        return allowed

    def _within_minute(self, now: float) -> bool:
        limit = self.budget.requests_per_minute
        if limit is None:
            return True
        while self._minute and self._minute[0] <= now - 60:
            self._minute.popleft()
        return len(self._minute) < limit

    def _within_day(self, size: int, wall: float) -> bool:
        if self.budget.bytes_per_day is None:
            return True
        self._turn_day(wall)
        return self._bytes + size <= units.quantity(self.budget.bytes_per_day)

    def _turn_day(self, wall: float) -> None:
        day = int(wall // _DAY)
        if day != self._day:
            self._day, self._bytes = day, 0
