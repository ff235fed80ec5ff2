"""One request on its way through the queue, and those that go through the engine together."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgewise_runtime.engines.base import Array
from edgewise_runtime.models import ServedModel

Outcome = list[Array] | Exception

if TYPE_CHECKING:
    from edgewise_runtime.scheduling.line import Line


@dataclass(eq=False)
class Call:
    """Waits until it is answered: with arrays, or an exception."""

    served: ServedModel
    feeds: Mapping[str, Array]
    names: Sequence[str]
    size: int
    """Bytes of the request."""
    answer: asyncio.Future[list[Array]] | None
    """None when it is set: an error remembers the frames it came through, and with them this call and its tensors. The
    two would hold each other until the collector comes by."""
    deadline: float | None = None
    """Monotonic seconds. Times below as well."""
    kind: Hashable = None
    """Calls of one kind may share a run; None: runs alone."""
    rows: int = 1
    since: float = 0.0
    expected: float = 0.0
    """Seconds its run takes by itself; 0 while nothing is known."""
    runs: bool = False
    """A thread reads its feeds."""
    over: asyncio.Future[None] | None = None
    """Made by a caller who was cancelled and waits for the thread; set when that is done."""

    def end(self, outcome: Outcome) -> None:
        """It has run."""
        self.runs = False
        if self.over is not None and not self.over.done():
            self.over.set_result(None)
        if isinstance(outcome, Exception):
            self.fail(outcome)
            return
        answer, self.answer = self.answer, None
        if answer is not None and not answer.done():  # its caller may have gone
            answer.set_result(outcome)

    def fail(self, error: Exception) -> None:
        answer, self.answer = self.answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)


@dataclass(eq=False)
class Group:
    """Calls that go through the engine in one run."""

    line: Line
    calls: list[Call]
    started: float
    expected: float
    """Seconds."""
