"""What each release has answered on this device: counted by ledger.py, reported and kept by the agent.

Each request comes past here and the fastest models take 30 us, so a request costs a few additions and two searches in
short tuples. Used from the event loop only. agent/probation.py hears of every request that an engine failed on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import add

from edgewise.contract import report
from edgewise.contract.histogram import CONFIDENCE, SECONDS, Histogram

RELEASES = 8
"""Counted: the served one and those before it; reports and memory stay small however long a device lives."""
FAILURES, AMONG = 5, 10
"""So many failures of an engine among so many requests are a spell: a model that fails on half of what it is asked."""
_LONGEST_ERROR = 300


class Answers:
    """Histograms of one model; their buckets are those of contract/histogram.py."""

    __slots__ = ("confidence", "seconds")

    def __init__(self) -> None:
        self.seconds = [0] * (len(SECONDS) + 1)
        self.confidence = [0] * (len(CONFIDENCE) + 1)

    def enter(self, seconds: float | None, confidence: float | None) -> None:
        """One answer. `seconds`: None where a target gave it; `confidence`: None where nobody can tell."""
        if seconds is not None:
            self.seconds[bisect_left(SECONDS, seconds)] += 1
        if confidence is not None:
            self.confidence[bisect_left(CONFIDENCE, confidence)] += 1


@dataclass(slots=True)
class Tally:
    """The counts of one release; what they mean is said in contract/report.py."""

    requests: int = 0
    failures: int = 0
    refused: int = 0
    escalated: int = 0
    seconds: float = 0.0
    models: dict[str, Answers] = field(default_factory=dict)
    failed: deque[int] = field(default_factory=lambda: deque(maxlen=FAILURES))
    """Numbers (from 1) of the newest requests that the engine failed on, or found fault with."""
    spell: int = 0
    """Number of the request with which the newest spell ended; 0: there was none."""
    error: str = ""
    """What the engine said last."""
    again: bool = False
    """Begun anew, since the release is tried again."""

    def answers(self, model: str) -> Answers:
        found = self.models.get(model)
        if found is None:
            found = self.models[model] = Answers()
        return found

    def enter(self, seconds: float, failed: bool = False, escalated: bool = False) -> None:
        """One request."""
        self.requests += 1
        self.seconds += seconds
        if failed:
            self.failures += 1
        if escalated:
            self.escalated += 1

    def refuse(self) -> None:
        """One request that the engine found fault with."""
        self.requests += 1
        self.refused += 1

    def engine_failed(self, error: str) -> None:
        """On the newest request, or it found fault with it."""
        self.failed.append(self.requests)
        self.error = error if len(error) <= _LONGEST_ERROR else f"{error[: _LONGEST_ERROR - 1]}…"
        if self.failing(AMONG):
            self.spell = self.requests

    def failing(self, among: int) -> bool:
        """Whether FAILURES of the newest `among` requests failed in the engine."""
        return len(self.failed) == FAILURES and self.requests - self.failed[0] < among

    def counters(self, histograms: bool = True) -> report.Counters:
        """As a report tells it."""
        models = {
            name: report.Answers(seconds=Histogram.of(answers.seconds), confidence=Histogram.of(answers.confidence))
            for name, answers in self.models.items()
        }
        return report.Counters(
            again=self.again,
            requests=self.requests,
            failures=self.failures,
            refused=self.refused,
            escalated=self.escalated,
            seconds=round(self.seconds, 3),
            models=models if histograms else {},
        )

    def go_on_from(self, before: Tally) -> None:
        """`before`: what was counted before the process began."""
        if self.again and not before.again:
            return  # that is what is forgiven
        self.again = before.again
        self.failed = deque([*before.failed, *(before.requests + number for number in self.failed)], FAILURES)
        self.spell = before.requests + self.spell if self.spell else before.spell
        self.requests += before.requests
        self.failures += before.failures
        self.refused += before.refused
        self.escalated += before.escalated
        self.seconds += before.seconds
        for name, kept in before.models.items():
            answers = self.answers(name)
            answers.seconds = list(map(add, answers.seconds, kept.seconds))
            answers.confidence = list(map(add, answers.confidence, kept.confidence))


class Tallies:
    """One per process."""

    def __init__(self) -> None:
        self.on_failure: Callable[[], None] | None = None
        """Called where an engine failed on a request, once that is counted."""
        self._of: dict[str, Tally] = {}

    def of(self, release: str) -> Tally:
        """Made on first use."""
        found = self._of.get(release)
        return self.serve(release) if found is None else found

    def serve(self, release: str, again: bool = False) -> Tally:
        """It is the newest from now on, and begins well: the oldest is forgotten where there are too many. `again`: it
        failed, and shall be tried again, so it begins with nothing; but once, not after each restart."""
        tally = self._of.pop(release, None)
        if tally is None or (again and not tally.again):
            tally = Tally(again=again)
        self._of[release] = tally
        tally.failed.clear()
        for oldest in list(self._of)[:-RELEASES]:
            del self._of[oldest]
        return tally

    def retried(self, release: str) -> None:
        """The release that is tried again, if any: for all others a next time is to come."""
        for name, tally in self._of.items():
            tally.again = tally.again and name == release

    def before(self, release: str) -> str | None:
        """The release that served before `release`; None: none that is remembered."""
        names = [name for name in self._of if name != release]
        return names[-1] if names else None

    def all(self) -> Mapping[str, Tally]:
        """Release -> its tally, the oldest first."""
        return self._of

    def counters(self, releases: Iterable[str], histograms: bool) -> dict[str, report.Counters]:
        """Of those among `releases` that have served here."""
        return {name: self._of[name].counters(histograms) for name in sorted({*releases}) if name in self._of}
