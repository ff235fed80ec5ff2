"""Remembers how quick a model is: whether it may run on the event loop, and how long a run in the queue will take."""

from __future__ import annotations

from dataclasses import dataclass, field

QUICK = 0.0005  # seconds; a hop to a thread costs 0.2 ms, and health checks stay prompt while such a run holds the loop
_PROOFS = 5  # quick runs in a row before a size is trusted: one may have been luck
_NEWEST = 0.2  # weight of the newest run in a mean: a change of clock speed shows after a handful of runs


@dataclass
class Pace:
    """Of one model. Sizes are bytes of input: a batch a hundred times larger is not as quick."""

    trusted: int = 0
    """Inputs up to this size ran within QUICK, but for a run now and then that the kernel interrupted."""
    _interrupted: bool = False
    _streak: int = 0
    _candidate: int = 0
    _means: dict[int, float] = field(default_factory=dict)
    """{size class: seconds}; a class holds sizes up to the double of its smallest."""

    @classmethod
    def measured(cls, size: int, seconds: float) -> Pace:
        """What the tuner found out stands for the first runs."""
        pace = cls(trusted=size if seconds < QUICK else 0)
        pace._means[size.bit_length()] = seconds
        return pace

    def quick(self, size: int) -> bool:
        return size <= self.trusted

    def expected(self, size: int) -> float | None:
        """Seconds such a run takes, by the runs of about that size, or of the size nearest to it; None: no run yet."""
        if not self._means:
            return None
        wanted = size.bit_length()
        mean = self._means.get(wanted)
        return self._means[min(self._means, key=lambda known: abs(known - wanted))] if mean is None else mean

    @property
    def typical(self) -> float:
        """Seconds of a run whatever its size: the longest mean there is; 0: no run yet."""
        return max(self._means.values(), default=0.0)

    def learn(self, size: int, seconds: float) -> None:
        """Takes in one run. Two slow ones in a row take all trust away, or that in their size and beyond."""
        kind = size.bit_length()
        mean = self._means.get(kind, seconds)
        self._means[kind] = mean + _NEWEST * (seconds - mean)
        if seconds >= QUICK:
            self._streak = 0
            if size <= self.trusted:
                self.trusted, self._interrupted = (0, False) if self._interrupted else (self.trusted, True)
            return
        if size <= self.trusted:
            self._interrupted = False
            return
        self._candidate = min(self._candidate, size) if self._streak else size
        self._streak += 1
        if self._streak >= _PROOFS:
            self.trusted, self._streak = self._candidate, 0
