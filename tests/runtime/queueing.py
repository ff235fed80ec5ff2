"""The queue played through without threads or a clock: who comes when, who is answered how late, who is not."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from edgewise_runtime.errors import ServingError
from edgewise_runtime.scheduling.call import Call, Group
from edgewise_runtime.scheduling.line import Line
from edgewise_runtime.scheduling.pace import Pace
from edgewise_runtime.scheduling.queue import Queue


def line(seconds: float, workers: int = 1, **more: Any) -> Line:
    """Of a model whose runs take so long."""
    return Line(workers, pace=Pace.measured(8, seconds), **more)


def call(of: Line, deadline: float | None = None, rows: int = 1, kind: str | None = None) -> Call:
    answer = cast("Any", Future())  # set and asked as asyncio's are
    expected = of.pace.expected(8) or 0.0
    return Call(cast("Any", None), {}, (), 8, answer, deadline, kind, rows, expected=expected)


@dataclass
class Visit:
    """One request."""

    at: float
    line: Line
    client: int = -1
    """Asks again as soon as it has an answer; -1: never."""
    answered: float | None = None
    refused: float | None = None

    @property
    def runs(self) -> float:
        """From arrival to answer, in runs of its model."""
        assert self.answered is not None
        return (self.answered - self.at) / (self.line.pace.expected(8) or 1.0)


@dataclass
class Play:
    """`workers` threads, and a clock that jumps from event to event."""

    workers: int = 1
    limit: int = 64
    again: float | None = None
    """Seconds after which a refused client that asks again and again does so; None: it gives up."""
    visits: list[Visit] = field(default_factory=list)

    def run(self, arrivals: Iterable[Visit], until: float) -> list[Visit]:
        """Everything that came before `until`, and what became of it."""
        self._queue = Queue(self.workers, self.limit)
        self._events: list[tuple[float, int, Any]] = []
        self._count = 0
        self._calls: dict[int, Visit] = {}
        for visit in arrivals:
            self._at(visit.at, visit)
        while self._events:
            now, _, event = heapq.heappop(self._events)
            self._now = now
            if isinstance(event, Group):
                self._done(event, now)
            elif event.at < until:
                self._come(event, now)
            while (group := self._queue.next(now)) is not None:
                rows = sum(one.rows for one in group.calls)
                self._at(now + rows * (group.line.pace.expected(8) or 0.0), group)
        return self.visits

    def _at(self, when: float, event: Any) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, event))

    def _come(self, visit: Visit, now: float) -> None:
        self.visits.append(visit)
        asked = call(visit.line)
        answer: Any = asked.answer
        answer.add_done_callback(lambda future: self._refused(visit) if future.exception() else None)
        self._calls[id(asked)] = visit
        try:
            self._queue.enter(visit.line, asked, now)
        except ServingError:
            self._refused(visit)

    def _refused(self, visit: Visit) -> None:
        visit.refused = self._now
        if visit.client >= 0 and self.again is not None:
            again = self._now + self.again
            self._at(again, Visit(again, visit.line, visit.client))

    def _done(self, group: Group, now: float) -> None:
        self._queue.done(group, now - group.started)
        for one in group.calls:
            visit = self._calls.pop(id(one))
            visit.answered = now
            if visit.client >= 0:
                self._at(now, Visit(now, visit.line, visit.client))


def regularly(of: Line, rate: float, begin: float, end: float) -> list[Visit]:
    """So many a second, whatever becomes of them."""
    return [Visit(float(at), of) for at in np.arange(begin, end, 1 / rate)]


def clients(of: Line, count: int, apart: float = 0.0) -> list[Visit]:
    """Each asks, waits for its answer, and asks again; they begin `apart` seconds after each other."""
    return [Visit(number * apart, of, client=number) for number in range(count)]


def late(visits: Iterable[Visit], share: float = 0.99) -> float:
    """Runs that so many of the answered waited at most, their own included."""
    return float(np.quantile([visit.runs for visit in visits if visit.answered is not None], share))


def refused(visits: Iterable[Visit]) -> int:
    return sum(visit.refused is not None for visit in visits)
