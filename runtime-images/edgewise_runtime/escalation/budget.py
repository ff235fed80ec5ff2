"""What help may cost one device: a share of its requests, a number a minute, bytes a day. Pure; times are handed in.

A budget that binds is not spent on whoever comes first. It is spread over the requests to come, and each share of them
has its confidence (threshold.py): the least sure ones are asked about. Requests without any answer come before all
others: help makes an answer of an error there, and only a better answer elsewhere.
Counts live in memory: a restarted runtime begins its minute and its day anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from edgewise.api import units
from edgewise.api.escalation import Budget
from edgewise_runtime.escalation.threshold import EVERYTHING, NOTHING, WINDOW, RunningThreshold

NO_ANSWER = NOTHING  # "confidence" of a request that the device could not answer at all
UNKNOWN = EVERYTHING  # of an answer of which nobody can tell how sure it is
_GRACE = 20  # the share is taken of at least so many, or the first hard request of a day could not be asked
_DAY = 86400
_MINUTE = 60.0
_CATCHING_UP = 0.25  # of what was left lately, in the same time again: more would spend it in waves
_QUICKLY = 0.05  # what the newest question adds to the mean size of one


class _Pace:
    """Requests of the last minute, counted by the second."""

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()
        """[second, requests], the oldest first; 61 at most."""
        self._total = 0
        self._began: float | None = None

    def count(self, now: float) -> None:
        if self._began is None:
            self._began = now
        second = int(now)
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0])
            self._forget(now)
        self._seconds[-1][1] += 1
        self._total += 1

    def per_minute(self, now: float) -> float:
        """At least 1; of a device that has just begun, what it would come to."""
        self._forget(now)
        began = now if self._began is None else self._began
        watched = min(_MINUTE, max(1.0, now - began))
        return max(1.0, self._total * _MINUTE / watched)

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] <= now - _MINUTE:
            self._total -= self._seconds.popleft()[1]


class Spending:
    """Counts requests and questions, and says of which requests one more question is within the budget.

    `now` is monotonic, `wall` is Unix time. One that sets no limit costs nothing."""

    def __init__(self, budget: Budget) -> None:
        self._threshold = RunningThreshold()
        self._pace = _Pace()
        self._seen = 0
        self._asked: deque[int] = deque()
        """What `_seen` was at each question, the oldest first."""
        self._minute: deque[float] = deque()
        self._day, self._bytes, self._mean_size = 0, 0, 0.0
        self.limit(budget)

    def limit(self, budget: Budget) -> None:
        """What was spent so far counts against the new one."""
        self._ratio = None if budget.ratio is None else float(budget.ratio)
        self._per_minute = budget.requests_per_minute
        self._per_day = None if budget.bytes_per_day is None else int(units.quantity(budget.bytes_per_day))
        self._limited = {self._ratio, self._per_minute, self._per_day} != {None}

    def saw(self, confidence: float, now: float) -> None:
        """One more request, however it ends. NO_ANSWER, UNKNOWN or how sure its answer is."""
        if self._limited:
            self._seen += 1
            self._pace.count(now)
            self._threshold.saw(confidence)

    def allows(self, confidence: float, size: int, now: float, wall: float) -> bool:
        """Whether a question of `size` bytes about such an answer is worth it. Once for each request."""
        if not self._limited:
            return True
        return self.affords(size, now, wall) and self._threshold.admits(confidence, self._share(now, wall))

    def affords(self, size: int, now: float, wall: float) -> bool:
        """Whether one more question is within all limits, whatever it is about."""
        if not self._limited:
            return True
        left = self.left(now, wall)
        return all(left[limit] >= (size if limit == "bytesPerDay" else 1) for limit in left)

    def asked(self, size: int, now: float, wall: float) -> None:
        """A question of so many bytes is being sent."""
        if self._limited:
            self._asked.append(self._seen)
            self._minute.append(now)
            self._mean_size += (size - self._mean_size) * (_QUICKLY if self._mean_size else 1.0)
        self.moved(size, wall)

    def moved(self, size: int, wall: float) -> None:
        """Bytes sent or received beyond those that were asked about."""
        self._turn_day(wall)
        self._bytes += size

    def threshold(self, now: float, wall: float) -> float:
        """The confidence up to which requests are asked about now; EVERYTHING where the budget does not bind."""
        return self._threshold.at(self._share(now, wall))

    def left(self, now: float, wall: float) -> Mapping[str, float]:
        """{limit that is set, as Budget calls it: questions, or bytes, that may still be spent}."""
        self._forget(now)
        self._turn_day(wall)
        left = dict[str, float]()
        if self._ratio is not None:
            left["ratio"] = self._ratio * self._base() - len(self._asked)
        if self._per_minute is not None:
            left["requestsPerMinute"] = self._per_minute - len(self._minute)
        if self._per_day is not None:
            left["bytesPerDay"] = self._per_day - self._bytes
        return {limit: max(0.0, amount) for limit, amount in left.items()}

    def _share(self, now: float, wall: float) -> float:
        """Of the requests to come, what the tightest limit is good for: what it gives in the long run, and a part of
        what was left of it lately."""
        left, pace = self.left(now, wall), self._pace.per_minute(now)
        shares = [1.0]
        if self._ratio is not None:
            shares.append(self._ratio + _CATCHING_UP * left["ratio"] / self._base())
        if self._per_minute is not None:
            shares.append((self._per_minute + _CATCHING_UP * left["requestsPerMinute"]) / pace)
        if self._per_day is not None:
            minutes = max(1.0, (_DAY - wall % _DAY) / _MINUTE)
            shares.append(left["bytesPerDay"] / max(1.0, self._mean_size) / (pace * minutes))
        return min(shares)

    def _base(self) -> int:
        """Requests that the ratio is taken of."""
        return max(_GRACE, min(self._seen, WINDOW))

    def _forget(self, now: float) -> None:
        while self._asked and self._asked[0] <= self._seen - WINDOW:
            self._asked.popleft()
        while self._minute and self._minute[0] <= now - _MINUTE:
            self._minute.popleft()

    def _turn_day(self, wall: float) -> None:
        day = int(wall // _DAY)
        if day != self._day:
            self._day, self._bytes = day, 0
