"""Stops asking a target that keeps failing: a dead cloud costs a device nothing. One per target; time is handed in."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import IntEnum

FAILURES = 3  # in a row
OPEN_SECONDS = 5.0
_JITTER = 0.2  # a fleet that lost its cloud together must not come back as one


class State(IntEnum):
    """As the metric shows it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass
class Breaker:
    """Closed: ask. Open: do not, for about OPEN_SECONDS. Half-open: one question decides."""

    state: State = State.CLOSED
    _failures: int = 0
    _retry_at: float = 0.0
    _probing: bool = False

    def admits(self, now: float) -> bool:
        """Whether to ask now. After a True, exactly one of `succeeded`, `failed`, `abandoned` must follow."""
        if self.state == State.OPEN and now >= self._retry_at:
            self.state = State.HALF_OPEN
        if self.state == State.HALF_OPEN and not self._probing:
            self._probing = True
            return True
        return self.state == State.CLOSED

    def succeeded(self) -> None:
        self.state, self._failures, self._probing = State.CLOSED, 0, False

    def failed(self, now: float) -> None:
        if self.state == State.OPEN:  # a question from before it opened
            return
        self._failures += 1
        self._probing = False
        if self.state == State.HALF_OPEN or self._failures >= FAILURES:
            self.state, self._failures = State.OPEN, 0
            self._retry_at = now + OPEN_SECONDS * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  not a secret

    def abandoned(self) -> None:
        """The question was dropped before anything was learnt (the client went away)."""
        self._probing = False
