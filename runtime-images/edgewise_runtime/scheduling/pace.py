"""Remembers how quick a model is, to tell whether it may run on the event loop: a hop to a thread costs 0.2 ms."""

from __future__ import annotations

from dataclasses import dataclass

QUICK = 0.0005  # seconds; health checks stay prompt while such a run holds the loop
_PROOFS = 5  # quick runs in a row before a size is trusted: one may have been luck


@dataclass
class Pace:
    """Of one model. Sizes are bytes of input: a batch a hundred times larger is not as quick."""

    trusted: int = 0
    """Inputs up to this size ran within QUICK each time."""
    _streak: int = 0
    _candidate: int = 0

    def quick(self, size: int) -> bool:
        return size <= self.trusted

    def learn(self, size: int, seconds: float) -> None:
        """Takes in one run. A slow one takes all trust away (from its size on, where a smaller size was trusted)."""
        if seconds >= QUICK:
            self._streak = 0
            self.trusted = 0 if size <= self.trusted else self.trusted
            return
        if size <= self.trusted:
            return
        self._candidate = min(self._candidate, size) if self._streak else size
        self._streak += 1
        if self._streak >= _PROOFS:
            self.trusted, self._streak = self._candidate, 0
