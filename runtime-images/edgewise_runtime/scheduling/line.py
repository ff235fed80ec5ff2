"""Those who wait for one model, and what is known of its runs. Used by queue.py."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from edgewise_runtime.engines.base import on_cpu
from edgewise_runtime.scheduling.books import Books
from edgewise_runtime.scheduling.call import Call, Group
from edgewise_runtime.scheduling.crowd import Crowd
from edgewise_runtime.scheduling.gathering import Gain
from edgewise_runtime.scheduling.pace import Pace


@dataclass(eq=False)
class Line:
    """First come, first served, but for those who can share the run of the first."""

    workers: int
    """Runs of this model at the same time, at most."""
    batch: int = 1
    """Rows of one shared run, at most; 1: none is shared."""
    wait: float = 0.0
    """Seconds the first may wait for as many as came the last time."""
    steady: bool = True
    """Whether the size of a request tells how long it takes; where not, it is neither quick nor expected."""
    pace: Pace = field(default_factory=Pace)
    gain: Gain = field(default_factory=Gain)
    crowd: Crowd = field(default_factory=Crowd)
    books: Books | None = None
    running: list[Group] = field(default_factory=list)
    time_used: float = 0.0
    """Seconds of the workers it has had, as queue.py counts them for fair turns."""
    calls: deque[Call] = field(default_factory=deque)
    """Those who wait, the first to come first. Changed by the methods below only."""
    _backlog: float = 0.0  # seconds that those who wait will take, one by one
    _last_rows: int = 1
    _provider: str | None = None  # the last one looked at
    _on_cpu: bool = False

    def may_run_at_once(self, provider: str, size: int) -> bool:
        """Whether a run on `size` bytes may hold the event loop: it is quick, and no accelerator, which may hang."""
        if provider != self._provider:
            self._move_to(provider)
        return self._on_cpu and self.steady and self.pace.quick(size)

    def _move_to(self, provider: str) -> None:
        """How quick the model was on another device says nothing of this one."""
        if self._provider is not None:
            self.pace = Pace()
        self._provider, self._on_cpu = provider, on_cpu(provider)

    def append(self, call: Call) -> None:
        self.calls.append(call)
        self._backlog += call.expected

    def remove(self, call: Call) -> bool:
        """False: it does not wait any more."""
        try:
            self.calls.remove(call)
        except ValueError:
            return False
        self._lighter(call)
        return True

    def shares(self, now: float) -> bool:
        return self.batch > 1 and self.gain.pays(now)

    def work_ahead(self, now: float) -> float:
        """Seconds of a worker that those who wait, and what runs now, will still take."""
        rest = sum(max(0.0, group.started + group.expected - now) for group in self.running)
        return rest + (self._backlog / self.gain.value if self.shares(now) else self._backlog)

    def ready_at(self, now: float) -> float:
        """When its first may run, as far as this model is concerned: now, unless more are worth a short wait."""
        first = self.calls[0]
        if not self.wait or first.kind is None or not self.shares(now):
            return now
        enough = sum(call.rows for call in self.calls) >= min(self._last_rows, self.batch)
        return now if enough else max(now, first.since + self.wait)

    def take(self, now: float) -> Group:
        """The first, and those that can share its run."""
        calls = [self.calls.popleft()]
        if calls[0].kind is not None and self.shares(now):
            calls += self._companions(calls[0])
        for call in calls:
            self._lighter(call)
        self.crowd.went(len(calls))
        self._last_rows = sum(call.rows for call in calls)
        alone = sum(call.expected for call in calls)
        group = Group(self, calls, now, alone if len(calls) == 1 else alone / self.gain.value)
        for call in calls:
            call.runs = True
        self.running.append(group)
        return group

    def _companions(self, first: Call) -> list[Call]:
        """Taken out of the line; those that cannot come along keep their places."""
        rows, taken, left = first.rows, list[Call](), deque[Call]()
        for call in self.calls:
            if call.kind == first.kind and rows + call.rows <= self.batch:
                taken.append(call)
                rows += call.rows
            else:
                left.append(call)
        self.calls = left
        return taken

    def _lighter(self, call: Call) -> None:
        self._backlog = max(0.0, self._backlog - call.expected) if self.calls else 0.0
