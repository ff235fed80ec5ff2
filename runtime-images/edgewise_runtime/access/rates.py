"""How often each client may ask: a token bucket for each, in bounded memory. Used by Access.

The generic cell rate algorithm: of each client only the time is kept at which its bucket will be full again, a whole
number of nanoseconds, so nothing is refilled by a timer and no rounding ever adds up to a request too many.
"""

from __future__ import annotations

from collections import OrderedDict

_SECOND = 1_000_000_000
KEPT = 4096
"""Clients remembered, some 600 KiB. Whoever has not asked for the longest time is forgotten first: its bucket is full
again, unless more clients than this ask at the same time."""


class Rates:
    """One rate for all clients, counted for each apart."""

    def __init__(self, per_second: int, burst: int, kept: int = KEPT) -> None:
        """`per_second`, `burst`: requests, from 1 up."""
        self._interval = -(-_SECOND // per_second)
        self._tolerance = (burst - 1) * self._interval
        self._kept = kept
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, client: str, now: int) -> float:
        """0.0: it may ask, at `now` (nanoseconds of any clock that never goes back). Else the seconds to wait first."""
        full_at = max(self._full_at.get(client, now), now)
        wait = full_at - self._tolerance - now
        if wait <= 0:
            self._full_at[client] = full_at + self._interval
        self._full_at.move_to_end(client)
        if len(self._full_at) > self._kept:
            self._full_at.popitem(last=False)
        return max(wait, 0) / _SECOND
