"""Worker threads for runs too long for the event loop. Which run is next is decided in queue.py.

A thread that waits on a SimpleQueue and calls back once costs a third of an executor's hop with its two futures.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

from edgewise_runtime.scheduling import gathering
from edgewise_runtime.scheduling.call import Call
from edgewise_runtime.scheduling.gathering import Ran

log = logging.getLogger(__name__)


class _Job(NamedTuple):
    calls: Sequence[Call]
    loop: asyncio.AbstractEventLoop
    done: Callable[[Ran], None]


class Workers:
    """Used from the event loop only."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._started = self._unfinished = 0

    def run(self, calls: Sequence[Call], done: Callable[[Ran], None]) -> None:
        """Calls of one session. `done` is called on this event loop, if that still runs then."""
        self._unfinished += 1
        job = _Job(calls, asyncio.get_running_loop(), partial(self._done, done))
        try:
            if self._started < min(self._unfinished, self.threads):
                self._start_another()
        except RuntimeError as error:  # the pod may have no more threads: the limit of its pids
            log.error("no thread to run models in", extra={"detail": str(error), "threads": self._started})
            if not self._started:
                job.loop.call_soon(job.done, Ran([error for _ in calls], 0.0))
                return
        self._jobs.put(job)

    def _start_another(self) -> None:
        Thread(target=_work, args=(self._jobs,), name=f"model-{self._started + 1}", daemon=True).start()
        self._started += 1

    def _done(self, done: Callable[[Ran], None], ran: Ran) -> None:
        self._unfinished -= 1
        done(ran)

    def close(self) -> None:
        """Ends each thread after what it runs; waits for none."""
        for _ in range(self._started):
            self._jobs.put(None)


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        _do(job)
        del job  # its tensors must not stay until the next one comes


def _do(job: _Job) -> None:
    ran = gathering.run(job.calls[0].served.session, job.calls)
    with contextlib.suppress(RuntimeError):  # the loop was closed in the meantime: nobody waits
        job.loop.call_soon_threadsafe(job.done, ran)
