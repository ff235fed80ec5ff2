"""Histograms of reports: the same buckets on every device and in every version, so that counts may be added up.

Devices fill them (edgewise_runtime/tallies.py), the rollout engine reads them (core/rollout/evidence.py).
"""

from __future__ import annotations

from math import exp
from typing import Annotated

from pydantic import Field

from edgewise.api.base import Model

SECONDS: tuple[float, ...] = tuple(1e-5 * 2.0 ** (step / 8) for step in range(8 * 22 + 1))
"""Bounds of serving time: 10 us (a third of the fastest model) to 42 s, eight to a doubling, so that two neighbours are
9 % apart: a gate of 1.2 is more than two buckets away. A bucket holds what is above the bound before and up to its own;
one more holds what is above all."""

CONFIDENCE: tuple[float, ...] = tuple(1.0 / (1.0 + exp(-step / 2)) for step in range(-6, 33))
"""Bounds of confidence, evenly in its logit from -3 to 16: 0.05, 0.08 ... 0.5 ... 0.993 ... 0.9999999. Models are sure
of most answers, and 0.99 differs from 0.999 as much as 0.9 does from 0.99: even steps of the confidence would put
nine answers of ten into one bucket."""

_MOST = 256  # buckets; room for longer histograms, none for a document that eats the operator's memory

Total = Annotated[int, Field(ge=0, le=2**53)]
"""A count that only grows. What a float cannot hold exactly no device has counted."""


class Histogram(Model):
    """Counts of bucket `first` and those after it; all other buckets are empty."""

    first: Annotated[int, Field(ge=0, lt=_MOST)] = 0
    counts: Annotated[list[Total], Field(max_length=_MOST)] = Field(default_factory=list)

    @classmethod
    def of(cls, counts: list[int]) -> Histogram:
        """All buckets' counts, without the empty ones at both ends."""
        filled = [index for index, count in enumerate(counts) if count]
        return cls(first=filled[0], counts=counts[filled[0] : filled[-1] + 1]) if filled else cls()

    def dense(self, size: int) -> tuple[int, ...]:
        """`size` counts, from bucket 0 on; buckets that are not among them are dropped."""
        return (*([0] * self.first), *self.counts, *([0] * size))[:size]
