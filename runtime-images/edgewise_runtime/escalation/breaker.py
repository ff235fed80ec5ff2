"""Stops asking a target that keeps failing: a dead cloud costs a device nothing. One per target; time is handed in."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import IntEnum

FAILURES = 3  # in a row
OPEN_SECONDS = 5.0
LONGEST_SECONDS = 120.0  # a link that is back is found within two minutes; a dead one gets 30 questions an hour
_JITTER = 0.2  # a fleet that lost its cloud together must not come back as one


class State(IntEnum):
    """As the metric shows it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass
class Breaker:
    """Closed: ask. Open: do not, for about OPEN_SECONDS, twice as long after each probe that failed, too. Half-open:
    one question, the probe, decides."""

    state: State = State.CLOSED
    _failures: int = 0
    _wait: float = OPEN_SECONDS
    _retry_at: float = 0.0
    _probing: bool = False

    def would_admit(self, now: float) -> bool:
        """What `admits` would say."""
        if self.state == State.OPEN:
            return now >= self._retry_at
        return self.state == State.CLOSED or not self._probing

    def admits(self, now: float) -> bool:
        """Whether to ask now; as the probe, where `state` is then HALF_OPEN. After a True, exactly one of `succeeded`,
        `failed`, `abandoned` must follow."""
        if not self.would_admit(now):
            return False
        if self.state != State.CLOSED:
            self.state, self._probing = State.HALF_OPEN, True
        return True

    def succeeded(self) -> None:
        self.state, self._failures, self._probing, self._wait = State.CLOSED, 0, False, OPEN_SECONDS

    def failed(self, now: float) -> None:
        if self.state == State.OPEN:  # a question from before it opened
            return
        self._failures += 1
        if self.state == State.HALF_OPEN:
            self._wait = min(2 * self._wait, LONGEST_SECONDS)
            self._open(now)
        elif self._failures >= FAILURES:
            self._open(now)

    def abandoned(self) -> None:
        """The question was dropped before anything was learnt (the client went away)."""
        self._probing = False

    def _open(self, now: float) -> None:
        self.state, self._failures, self._probing = State.OPEN, 0, False
        self._retry_at = now + self._wait * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  not a secret
