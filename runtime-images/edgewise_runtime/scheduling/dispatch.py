"""Runs a request's tensors through a model: on the event loop when that is quick, else in the queue for a worker.

The only way from the data plane to a session. What a session has been measured to do is remembered with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from edgewise_runtime.engines.base import AcceleratorLostError, Array, InputRefusedError
from edgewise_runtime.engines.traits import traits_of
from edgewise_runtime.errors import (
    DeadlineError,
    ModelFailedError,
    ModelRefusedError,
    ServingError,
    UnavailableError,
    shown,
)
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.models import ServedModel
from edgewise_runtime.scheduling.books import Books
from edgewise_runtime.scheduling.call import Call, Group
from edgewise_runtime.scheduling.gathering import Gain, Ran, kind_of, rows_of
from edgewise_runtime.scheduling.line import Line
from edgewise_runtime.scheduling.pace import Pace
from edgewise_runtime.scheduling.queue import Queue
from edgewise_runtime.scheduling.workers import Workers
from edgewise_runtime.statistics import Statistics

log = logging.getLogger(__name__)

UNMEASURED = 4  # runs at the same time of a model whose runs take all cores: more would only wait for each other


class Dispatch:
    """Used from one event loop only."""

    def __init__(self, threads: int, max_queue: int, metrics: Metrics, statistics: Statistics) -> None:
        self.batching = True
        """Whether requests may share a run where that was measured to pay; may change at any time."""
        self.statistics = statistics
        """Runs are counted here; the data plane counts answers."""
        self._metrics = metrics
        self._workers = Workers(threads)
        self._queue = Queue(threads, max_queue)
        self._lines: WeakKeyDictionary[Any, Line] = WeakKeyDictionary()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        return self._queue.waiting

    @property
    def running(self) -> int:
        """Runs in workers now."""
        return self._queue.running

    @property
    def max_queue(self) -> int:
        """Requests that may wait; may change at any time."""
        return self._queue.limit

    @max_queue.setter
    def max_queue(self, limit: int) -> None:
        self._queue.limit = limit

    def refuse_early(self, served: ServedModel, size: int) -> None:
        """OverloadedError where a request of `size` bytes would get it: no need then to read its body."""
        line = self._line(served)
        self._queue.refuse_if_overloaded(line, _expected(line, size), time.monotonic())

    def run_now(
        self, served: ServedModel, feeds: Mapping[str, Array], names: Sequence[str], size: int
    ) -> list[Array] | None:
        """As `run`, without a wait; None where there would be one: the model is not quick, or others wait for it."""
        line = self._line(served)
        if not line.may_run_at_once(served.session.provider, size) or line.calls:
            return None
        started = time.perf_counter()
        try:
            arrays = served.session.run(feeds, names)
        except Exception as error:
            raise _told(served, error) from error
        seconds = time.perf_counter() - started
        line.pace.learn(size, seconds)
        self._books(line, served).ran_at_once(rows_of(feeds) or 1, seconds)
        return arrays

    async def run(
        self,
        served: ServedModel,
        feeds: Mapping[str, Array],
        names: Sequence[str],
        size: int,
        deadline: float | None = None,
    ) -> list[Array]:
        """One array for each of `names`. `size`: bytes of the request. ServingError where there is no answer.

        `deadline`: monotonic seconds; DeadlineError at once where the answer would be later, and in the moment in which
        it passes where the request still waits then. Returns, or is cancelled, only when no thread holds `feeds`; if it
        is cancelled twice, as at the end of the process, at once.
        """
        arrays = self.run_now(served, feeds, names, size)
        if arrays is not None:
            return arrays
        line, call = self._line(served), Call(served, feeds, names, size, asyncio.get_running_loop().create_future())
        call.deadline, call.expected, call.rows = deadline, _expected(line, size), rows_of(feeds) or 1
        if self.batching and line.batch > 1:
            call.kind = kind_of(feeds, names)
        self._queue.enter(line, call, time.monotonic())
        self._start()
        try:
            return await self._answered(line, call)
        except ServingError:
            raise
        except Exception as error:
            raise _told(served, error) from error

    def close(self) -> None:
        """Takes no more work; waits for no thread."""
        self._workers.close()

    def _line(self, served: ServedModel) -> Line:
        line = self._lines.get(served.session)
        if line is None:
            line = self._lines[served.session] = line_of(served, self._workers.threads)
        return line

    def _books(self, line: Line, served: ServedModel) -> Books:
        """The line's last ones, unless one session is served under several names."""
        books = line.books
        if books is None or books.name != served.name or books.version != served.version:
            books = line.books = Books(served.name, served.version, self._metrics, self.statistics)
        return books

    def _start(self) -> None:
        """Hands to the workers what may run now; looks again when a line has waited for company long enough."""
        now = time.monotonic()
        while (group := self._queue.next(now)) is not None:
            self._workers.run(group.calls, partial(self._finished, group))
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        due = self._queue.ready_at(now)
        if due is not None:
            self._alarm = asyncio.get_running_loop().call_later(due - now, self._start)

    def _finished(self, group: Group, ran: Ran) -> None:
        self._queue.done(group, ran.seconds)
        self._start()  # before anything else: a worker is free
        for call, outcome in zip(group.calls, ran.outcomes, strict=True):
            call.end(outcome)
        self._learn(group, ran)
        ran.outcomes.clear()  # an error remembers the frames it came through, and these remember it: see Call.answer

    def _learn(self, group: Group, ran: Ran) -> None:
        """From a run that went as it should; and that a model does not bear to be shared."""
        line, calls = group.line, group.calls
        if ran.sharing_failed:
            line.batch = 1
            log.warning(
                "requests cannot share a run of this model; each has its own from now on",
                extra={"model": calls[0].served.name},
            )
        if not ran.together or isinstance(ran.outcomes[0], Exception):
            return
        if len(calls) == 1:
            line.pace.learn(calls[0].size, ran.seconds)
        else:
            line.gain.learn(sum(call.expected for call in calls), ran.seconds, time.monotonic())
        self._books(line, calls[0].served).ran(group, ran.seconds)

    async def _answered(self, line: Line, call: Call) -> list[Array]:
        alarm = None
        if call.deadline is not None:
            left = max(0.0, call.deadline - time.monotonic())
            alarm = asyncio.get_running_loop().call_later(left, self._expire, line, call)
        try:
            return await _answer(call)
        except asyncio.CancelledError:
            await self._withdraw(line, call)
            raise
        finally:
            if alarm is not None:
                alarm.cancel()

    async def _withdraw(self, line: Line, call: Call) -> None:
        """A place in the queue is given up. A run is waited for: its thread still reads what the caller lent."""
        if not self._queue.leave(line, call) and call.runs:
            call.over = asyncio.get_running_loop().create_future()
            await asyncio.wait([call.over])

    def _expire(self, line: Line, call: Call) -> None:
        if self._queue.leave(line, call):
            call.fail(DeadlineError("the time the request allows passed while it waited for its turn"))


def _answer(call: Call) -> asyncio.Future[list[Array]]:
    """Of one that has just begun to wait."""
    assert call.answer is not None  # noqa: S101  nothing was awaited since it was made
    return call.answer


def line_of(served: ServedModel, threads: int) -> Line:
    """What the tuner found out, as the queue needs it. `threads`: those of the workers."""
    choice, traits = served.choice, traits_of(served.session)
    measured = choice.latency is not None and traits.steady
    return Line(
        workers=min(choice.workers or UNMEASURED, threads),
        batch=choice.batch if traits.rows_independent else 1,
        wait=choice.wait,
        steady=traits.steady,
        pace=Pace.measured(choice.size, choice.latency or 0.0) if measured else Pace(),
        gain=Gain.measured(choice.gain),
    )


def _expected(line: Line, size: int) -> float:
    """Seconds of such a run; 0: nothing is known."""
    return (line.pace.expected(size) or 0.0) if line.steady else line.pace.typical


def _told(served: ServedModel, error: Exception) -> ServingError:
    """What a client is told of it."""
    if isinstance(error, InputRefusedError):
        return ModelRefusedError(f"{served.name}: {error}")
    if isinstance(error, AcceleratorLostError):
        return UnavailableError(f"{served.name}: {error}")
    return ModelFailedError(f"{served.name} failed on this request: {shown(str(error), 300)}")
