"""Counts per model what Triton's statistics extension tells: requests, runs, and where their time went.

The data plane counts answers, dispatch counts runs, protocol/catalogue.py makes the document. Plain integers, since
each request comes past here; used from the event loop only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

_KEPT = 64  # versions; a device serves at most 9 models at a time


@dataclass(slots=True)
class Span:
    """How often something happened, and how many nanoseconds it took altogether."""

    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        self.count += 1
        self.ns += ns


@dataclass(slots=True)
class Counts:
    """Of one version of a model, since it was first asked here."""

    success: Span = field(default_factory=Span)
    """Requests answered, from their last byte on."""
    fail: Span = field(default_factory=Span)
    queue: Span = field(default_factory=Span)
    """What requests waited before they ran."""
    compute: Span = field(default_factory=Span)
    """What requests spent in the engine; all requests of a batch spend the time of the whole batch."""
    rows: int = 0
    """Samples computed: a request may carry many."""
    runs: int = 0
    """Runs of the engine: fewer than requests where batches were gathered."""
    last: int = 0
    """Milliseconds since 1970 of the newest run; 0: none yet."""

    def ran(self, rows: int, waited: Iterable[int], computed: int) -> None:
        """One run of the engine. `waited`: nanoseconds, of each request that was part of it."""
        self.runs += 1
        self.rows += rows
        for ns in waited:
            self.queue.add(ns)
            self.compute.add(computed)
        self.last = time.time_ns() // 1_000_000


class Statistics:
    """One per process. Counts of a few versions: the oldest are forgotten, however often a device is given new ones."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Counts] = {}

    def of(self, name: str, version: str) -> Counts:
        """The counts of a model that is served, to add to."""
        key = name, version
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = Counts()
            if len(self._counts) > _KEPT:
                del self._counts[next(iter(self._counts))]
        return counts
