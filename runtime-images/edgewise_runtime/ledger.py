"""Enters each request into metrics, statistics and its release's tally, as it ends. Used by the data plane.

A dozen counters for each request, looked up once for each kind of request: the fastest models take less time than that.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from edgewise_runtime.errors import ModelRefusedError, ServingError
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.models import Models
from edgewise_runtime.series import Count, Distribution
from edgewise_runtime.statistics import Span, Statistics
from edgewise_runtime.tallies import Answers, Tally

DEVICE = "device"
_FAILED = frozenset({"failed", "unavailable", "overloaded", "late"})
_TALLIED = _FAILED | {"ok"}  # requests refused by us, or given up by their clients, say nothing of a release

_Key = tuple[str | None, str, str, str, str]


@dataclass(slots=True)
class Course:
    """What happens to one request. Entered as it begins, left as it ends, however it ends."""

    ledger: Ledger
    started: float = field(default_factory=time.monotonic)
    release: str | None = None
    """That served when it came."""
    model: str = ""
    """Empty until it is found: a name may be a client's invention."""
    version: str = ""
    source: str = DEVICE
    outcome: str = "ok"
    confidence: float | None = None
    """Of the device's own answer, whoever's is given."""
    broke: str = ""
    """What the engine said as it failed, or found fault with the request; empty: it did not."""
    postponed: bool = False
    """It has not begun after all, and is not counted."""

    def __enter__(self) -> Course:
        self.ledger.begin(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if kind is not None:
            self.outcome = _outcome(kind, error)
            if self.outcome == "failed" or isinstance(error, ModelRefusedError):
                self.broke = str(error) or kind.__name__
        self.ledger.end(self)


@dataclass(slots=True)
class _Page:
    """The counters of requests of one kind."""

    requests: Count
    duration: Distribution | None
    answered: Span | None
    tally: Tally | None
    answers: Answers | None
    failed: bool
    escalated: bool

    def enter(self, course: Course) -> None:
        seconds = time.monotonic() - course.started
        self.requests.inc()
        if self.duration is not None and self.answered is not None:
            self.duration.observe(seconds)
            self.answered.add(int(seconds * 1e9))
        if self.tally is not None:
            self.tally.enter(seconds, self.failed, self.escalated)
        if self.answers is not None:
            self.answers.enter(None if self.escalated else seconds, course.confidence)


class Ledger:
    """Used from the event loop only."""

    def __init__(self, models: Models, metrics: Metrics, statistics: Statistics) -> None:
        self.in_flight = 0
        self.last = 0.0
        """Monotonic time of the newest request."""
        self._models = models
        self._metrics = metrics
        self._statistics = statistics
        self._pages: dict[_Key, _Page] = {}
        self._generation = models.generation

    def begin(self, course: Course) -> None:
        self.in_flight += 1
        self.last = course.started
        course.release = self._models.release

    def end(self, course: Course) -> None:
        self.in_flight -= 1
        if course.postponed:
            return
        if self._generation != self._models.generation:  # metrics forget models that are served no more
            self._pages.clear()
            self._generation = self._models.generation
        key = course.release, course.model, course.version, course.outcome, course.source
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = self._page(course)
        page.enter(course)
        if course.broke:
            self._engine_failed(course, page)

    def refused(self, error: ServingError) -> None:
        """A request that could not be read. Without its model's name, which may be a client's invention."""
        self._metrics.requests.labels("", "", error.outcome, "").inc()

    def _page(self, course: Course) -> _Page:
        model, version, outcome, source = course.model, course.version, course.outcome, course.source
        counts = self._statistics.of(model, version) if model else None
        told = course.release is not None and outcome in _TALLIED
        tally = self._models.tallies.of(course.release or "") if told else None
        return _Page(
            requests=self._metrics.requests.labels(model, version, outcome, source),
            duration=self._metrics.duration.labels(model, version) if model else None,
            answered=None if counts is None else counts.success if outcome == "ok" else counts.fail,
            tally=tally,
            answers=tally.answers(model) if tally is not None and model and outcome == "ok" else None,
            failed=outcome in _FAILED,
            escalated=source != DEVICE,
        )

    def _engine_failed(self, course: Course, page: _Page) -> None:
        if course.release is None:
            return
        tallies = self._models.tallies
        tally = tallies.of(course.release)
        if course.outcome == "refused":
            tally.refuse()
        elif not page.failed:  # a target answered: that hides the failure from the client, not from us
            tally.failures += 1
        tally.engine_failed(course.broke)
        if tallies.on_failure is not None:
            tallies.on_failure()


def _outcome(kind: type[BaseException], error: BaseException | None) -> str:
    """Of a request that ended with an error. Cancelled: its client has gone."""
    if isinstance(error, ServingError):
        return error.outcome
    return "failed" if issubclass(kind, Exception) else "cancelled"
