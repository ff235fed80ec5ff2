"""Which requests are worth the little help there is: the least sure ones, by how sure the last thousand were. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from dataclasses import dataclass, field

WINDOW = 1000  # requests looked back on
_FEW = 20  # of which nothing can be told yet
EVERYTHING, NOTHING = math.inf, -math.inf


@dataclass
class RunningThreshold:
    """How sure recent answers were, those of the last WINDOW requests: in their order, and sorted."""

    _recent: deque[float] = field(default_factory=deque)
    _sorted: list[float] = field(default_factory=list)
    _turn: float = 0.0
    """Of a request that is just as sure as the threshold: at 1 it is asked about."""

    def saw(self, confidence: float) -> None:
        """One more request. -inf: it has no answer at all, inf: one of which nobody knows how sure it is."""
        self._recent.append(confidence)
        insort(self._sorted, confidence)
        if len(self._recent) > WINDOW:
            oldest = self._recent.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]

    def at(self, share: float) -> float:
        """The confidence up to which `share` (0..1, or more) of the recent requests lie, the least sure first.

        EVERYTHING while too few were seen. At least one request lies there, unless the share is 0."""
        if share <= 0:
            return NOTHING
        if share >= 1 or len(self._sorted) < _FEW:
            return EVERYTHING
        return self._sorted[max(1, int(share * len(self._sorted))) - 1]

    def admits(self, confidence: float, share: float) -> bool:
        """Whether a request belongs to the `share` that is asked about. Of those just as sure as the threshold, which
        may be most of them, as many as fit in: one in so many, not the first. Once for each request."""
        threshold = self.at(share)
        if share <= 0 or confidence != threshold or threshold == EVERYTHING:
            return share > 0 and confidence <= threshold
        below = bisect_left(self._sorted, threshold)
        alike = bisect_right(self._sorted, threshold) - below
        self._turn += (share * len(self._sorted) - below) / alike
        if self._turn < 1:
            return False
        self._turn = min(self._turn - 1, 1.0)
        return True
