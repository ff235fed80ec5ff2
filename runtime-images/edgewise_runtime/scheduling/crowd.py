"""Tells a burst, which a queue is for, from an overload, in which a queue only makes everybody late.

A burst comes at once and is worked off; clients that wait for their answers bring no more than they take. In an
overload half as many again come as go, run after run, or the queue, having stood for several runs, is found full. Then
only as many may wait as keep the workers busy, until nobody had to be refused for a while.
Pure; used by queue.py, one for each model.
"""

from __future__ import annotations

from dataclasses import dataclass

PATIENCE = 0.9  # runs that a request may have to wait in an overload: one waits for each worker
RELAXED = 0.5  # seconds without a refusal that end it: half of Retry-After, so that clients who obey it find it over
_STANDING = 4  # runs, or SPAN where that is longer, that a burst may last
_SPAN = 0.01  # seconds; in less, clients are as irregular as the kernel that runs them
_TIMES = 1.5  # as many come as go
_TAKEN = 1 / 8  # of the queue at least: a handful of requests is no crowd
_UNKNOWN = 0.1  # seconds taken for a run that was never measured


@dataclass
class Crowd:
    """Times are monotonic seconds; `run`: seconds of one run, 0 where nobody knows."""

    _standing_since: float = 0.0
    _counting_since: float = 0.0
    _came: int = 0
    _went: int = 0
    _growing: int = 0  # spans in a row in which _TIMES as many came as went
    _refused_at: float = 0.0
    _overloaded: bool = False

    def begins(self, now: float) -> None:
        """The first one waits."""
        self._standing_since = self._counting_since = now
        self._came = self._went = self._growing = 0

    def went(self, count: int) -> None:
        """So many began to run."""
        self._went += count

    def refused(self, now: float) -> None:
        self._refused_at = now

    def overloaded(self, now: float) -> bool:
        if self._overloaded and now - self._refused_at > RELAXED:
            self._overloaded = False
        return self._overloaded

    def outgrows(self, filled: float, now: float, run: float) -> bool:
        """One more comes. Whether an overload begins with it; `filled`: share of the queue that is taken."""
        span = max(run or _UNKNOWN, _SPAN)
        self._count(now, span)
        full = filled >= 1.0 and now - self._standing_since >= _STANDING * span
        growing = self._growing >= _STANDING and self._grows and filled >= _TAKEN
        if self._overloaded or not (full or growing):
            return False
        self._overloaded, self._refused_at = True, now
        return True

    def _count(self, now: float, span: float) -> None:
        """Span by span; one in which nobody came ends whatever there was."""
        passed = now - self._counting_since
        if passed >= span:
            self._growing = self._growing + 1 if self._grows and passed < 2 * span else 0
            self._counting_since, self._came, self._went = now, 0, 0
        self._came += 1

    @property
    def _grows(self) -> bool:
        """In the present span."""
        return self._came >= _TIMES * max(1, self._went)
