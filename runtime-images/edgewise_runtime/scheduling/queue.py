"""Who waits, who is turned away, whose turn it is. Pure: the clock comes in with every call; used by dispatch.py.

One line for each model. Turns go to the model that has had the least time of the workers, so that a busy model delays
the others by no more than one run. A request is turned away when the queue is full, when its model is overloaded
(crowd.py), or when it cannot be answered before its deadline.
"""

from __future__ import annotations

from edgewise_runtime.errors import DeadlineError, OverloadedError
from edgewise_runtime.scheduling.call import Call, Group
from edgewise_runtime.scheduling.crowd import PATIENCE
from edgewise_runtime.scheduling.line import Line


class Queue:
    """Before so many `workers`. Times are monotonic seconds."""

    def __init__(self, workers: int, limit: int) -> None:
        self.limit = limit
        """Calls that may wait, of all models together; may change at any time."""
        self.running = 0
        self._workers = workers
        self._lines: list[Line] = []  # those with a call that waits or runs
        self._turn_time = 0.0  # time_used of the line that had the last turn

    @property
    def waiting(self) -> int:
        return sum(len(line.calls) for line in self._lines)

    def enter(self, line: Line, call: Call, now: float) -> None:
        """Joins the line. OverloadedError, DeadlineError: at once, where it would wait in vain."""
        if not line.calls:
            line.crowd.begins(now)
        if not self._can_run(line):
            self._admit(line, call, now)
        if line not in self._lines:
            line.time_used = max(line.time_used, self._turn_time)  # time a model did not ask for is not owed to it
            self._lines.append(line)
        call.since = now
        line.append(call)

    def leave(self, line: Line, call: Call) -> bool:
        """Its caller has gone. False: it runs, or has run."""
        left = line.remove(call)
        self._forget_if_idle(line)
        return left

    def next(self, now: float) -> Group | None:
        """What runs now. None: nobody waits, no worker is free, or more are worth a wait (see `ready_at`)."""
        ready = [line for line in self._ready() if line.ready_at(now) <= now]
        if not ready:
            return None
        line = min(ready, key=lambda line: line.time_used)
        self._turn_time = line.time_used
        group = line.take(now)
        line.time_used += group.expected
        self.running += 1
        return group

    def ready_at(self, now: float) -> float | None:
        """When `next` has something to run although nothing else happens; None: never."""
        return min((line.ready_at(now) for line in self._ready()), default=None)

    def done(self, group: Group, seconds: float) -> None:
        """Its run took so long."""
        line = group.line
        line.running.remove(group)
        line.time_used += seconds - group.expected
        self.running -= 1
        self._forget_if_idle(line)

    def expected_wait(self, line: Line, now: float) -> float:
        """Seconds until a call that joins now begins to run, by the pace of those before it; 0 with a free worker."""
        if self._can_run(line):
            return 0.0
        own = line.work_ahead(now)
        others = sum(min(other.work_ahead(now), own) for other in self._lines if other is not line)
        alone = own / line.workers if len(line.running) >= line.workers else 0.0
        return max(alone, (own + others) / self._workers)

    def refuse_if_overloaded(self, line: Line, run: float, now: float) -> None:
        """OverloadedError where the model is overloaded and a call of `run` seconds would wait too long."""
        if not line.crowd.overloaded(now):
            return
        wait = self.expected_wait(line, now)
        if wait > PATIENCE * run:
            line.crowd.refused(now)
            raise OverloadedError(f"this device is asked more than it can answer; it is {_ms(wait)} behind")

    def _admit(self, line: Line, call: Call, now: float) -> None:
        """OverloadedError, DeadlineError. Others may have to go for it."""
        if call.deadline is not None:
            takes = self.expected_wait(line, now) + call.expected
            if now + takes > call.deadline:
                raise DeadlineError(f"the answer would take {_ms(takes)}, longer than the request allows")
        if line.crowd.outgrows(self.waiting / max(1, self.limit), now, call.expected):
            self._disperse(line, call.expected, now)
        self.refuse_if_overloaded(line, call.expected, now)
        if self.waiting >= self.limit:
            self._make_room(line, now)

    def _make_room(self, line: Line, now: float) -> None:
        """The longest line gives a place to a shorter one; else OverloadedError."""
        error = OverloadedError(f"{self.waiting} requests are waiting on this device already; try again in a second")
        longest = max(self._lines, key=lambda line: len(line.calls))
        if len(longest.calls) <= len(line.calls) + 1:
            line.crowd.refused(now)
            raise error
        newest = longest.calls[-1]
        longest.remove(newest)
        longest.crowd.refused(now)
        newest.fail(error)

    def _disperse(self, line: Line, run: float, now: float) -> None:
        """An overload begins: of those who wait only the newest stay, for they have not waited long yet."""
        while line.calls and self.expected_wait(line, now) > PATIENCE * run:
            oldest = line.calls[0]
            line.remove(oldest)
            oldest.fail(OverloadedError("this device is asked more than it can answer; try again in a second"))

    def _ready(self) -> list[Line]:
        if self.running >= self._workers:
            return []
        return [line for line in self._lines if line.calls and len(line.running) < line.workers]

    def _can_run(self, line: Line) -> bool:
        return not line.calls and self.running < self._workers and len(line.running) < line.workers

    def _forget_if_idle(self, line: Line) -> None:
        if not line.calls and not line.running and line in self._lines:
            self._lines.remove(line)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
