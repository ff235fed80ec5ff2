"""A bounded queue before a few worker threads. Takes every run too long for the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from edgewise_runtime.errors import OverloadedError

T = TypeVar("T")


class Workers:
    """First come, first served. A caller that is cancelled leaves the queue; a run that began is finished."""

    def __init__(self, threads: int, max_queue: int) -> None:
        self.max_queue = max_queue
        """Calls that may wait; may change at any time."""
        self._threads = threads
        self._busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="model")

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def busy(self) -> int:
        return self._busy

    @property
    def idle(self) -> bool:
        """Whether a run on the event loop would overtake nobody."""
        return not self._waiting

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises, from a worker thread. OverloadedError, at once, when the queue is full.

        Returns, or is cancelled, only when the thread is done: what the caller lent to `work` is then free."""
        await self._take_turn()
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._finished)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    def close(self) -> None:
        """Takes no more work; waits for no thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _take_turn(self) -> None:
        if self._busy < self._threads:
            self._busy += 1
            return
        if len(self._waiting) >= self.max_queue:
            raise OverloadedError(
                f"{len(self._waiting)} requests are waiting on this device already; try again in a second"
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the place was given to a caller who has just left
                self._pass_on()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def _finished(self, future: asyncio.Future[T]) -> None:
        self._pass_on()
        if not future.cancelled():
            future.exception()  # read, so that a run whose caller has gone is not reported as forgotten

    def _pass_on(self) -> None:
        """The freed place goes to the first in the queue."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._busy -= 1
