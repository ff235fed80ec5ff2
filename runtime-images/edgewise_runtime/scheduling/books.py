"""Enters each run of a model into metrics and statistics. One for a model's name and version, kept by dispatch.py."""

from __future__ import annotations

from edgewise_runtime.metrics import Metrics
from edgewise_runtime.scheduling.call import Group
from edgewise_runtime.statistics import Statistics

_NS = 1_000_000_000


class Books:
    """Used from the event loop only."""

    def __init__(self, name: str, version: str, metrics: Metrics, statistics: Statistics) -> None:
        self.name = name
        self.version = version
        self._inference = metrics.inference.labels(name, version)
        self._wait = metrics.queue_wait.labels(name, version)
        self._rows = metrics.batch_rows.labels(name, version)
        self._counts = statistics.of(name, version)

    def ran_at_once(self, rows: int, seconds: float) -> None:
        """On the event loop, where nobody waits."""
        self._inference.observe(seconds)
        self._counts.ran(rows, (0,), int(seconds * _NS))

    def ran(self, group: Group, seconds: float) -> None:
        """In a worker."""
        rows = sum(call.rows for call in group.calls)
        waited = [group.started - call.since for call in group.calls]
        for wait in waited:
            self._wait.observe(wait)
        self._rows.observe(rows)
        self._inference.observe(seconds)
        self._counts.ran(rows, [int(wait * _NS) for wait in waited], int(seconds * _NS))
