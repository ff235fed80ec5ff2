"""Takes hard requests off the data plane's hands, and sees that they reach the sink. Opened by agent/spooling.py.

Everything that takes time (packing, hashing, the disk) happens in one thread of its own, which rests in between, behind
a short line: a full disk, a slow SD card or a flood of hard requests costs examples, never an answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from edgewise.contract.plan import PlanSpool
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.pace import Pace
from edgewise_runtime.spool.example import Example, Loss
from edgewise_runtime.spool.line import Line, Offered
from edgewise_runtime.spool.record import Origin, encode
from edgewise_runtime.spool.sending import Sender, Shelf
from edgewise_runtime.spool.sink import Result, Sink, Way
from edgewise_runtime.spool.store import Entry, Limits, Store

log = logging.getLogger(__name__)

# How long to rest after an example. A hundredth of a core is less than any percentile of latency that people look at.
REST_CPU = 99  # times as long as it computed
REST_DISK = 4  # times as long as it took: others use the disk, too
REST_FULL = 10.0  # seconds, where the disk did not take it

T = TypeVar("T")


@dataclass(frozen=True)
class Home:
    """Where a spool lives."""

    folder: Path
    origin: Origin
    way: Way


class Spool:
    """One plan's. Used from the event loop; `open` comes first, `close` last."""

    def __init__(self, plan: PlanSpool, home: Home, metrics: Metrics) -> None:
        self._origin = home.origin
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "spool")
        self._store = Store(home.folder, Limits(plan.max_bytes, plan.max_age_seconds), self._dropped)
        self._line = Line()
        self._busy = False
        sink = Sink(plan, home.way, Pace(plan.bandwidth)) if plan.sink else None
        self._sender = Sender(sink, Shelf(self._best, self._done, self._expire), partial(self._sent, "failed"))

    async def open(self) -> None:
        """Take up what an earlier process left. OSError where the disk is broken."""
        await self._do(self._store.open)

    def offer(self, example: Example) -> None:
        """Takes no time and never fails: what cannot be kept is counted as dropped."""
        for reason in self._line.add(example, time.time()):
            self._count_drop(reason)
        if not self._busy:
            self._go_on()

    async def run(self) -> None:
        """Send for ever, where the plan names a sink; drop what becomes too old."""
        await self._sender.run()

    async def close(self) -> None:
        """Returns when all that was offered is on the disk."""
        self._busy = True
        while self._line:
            await self._do(partial(self._keep, self._line.pop()))
        await asyncio.to_thread(self._thread.shutdown)

    @property
    def waiting(self) -> int:
        """Examples that are not on the disk yet."""
        return len(self._line) + self._busy

    @property
    def held(self) -> int:
        """Bytes on disk."""
        return self._store.held

    @property
    def examples(self) -> int:
        return len(self._store)

    @property
    def age(self) -> float:
        """Seconds, of the oldest example; 0 where there is none."""
        oldest = self._store.oldest
        return 0.0 if oldest is None else max(0.0, time.time() - oldest)

    def _go_on(self) -> None:
        """Keep the most valuable of those that wait."""
        self._busy = bool(self._line)
        if self._line:
            kept = self._thread.submit(self._keep, self._line.pop())
            kept.add_done_callback(lambda kept: self._later(partial(self._kept, kept.result())))

    def _keep(self, offered: Offered) -> float:
        """Seconds to rest afterwards. Called in the thread."""
        begun, computed = time.monotonic(), time.thread_time()
        try:
            data = encode(offered.example, self._origin, offered.taken)
            self._store.add(data, offered.taken, offered.confidence)
        except Exception:  # a bug of ours, and no reason to keep no other example
            log.exception("an example could not be kept")
            self._dropped("error")
        rest = max(REST_CPU * (time.thread_time() - computed), REST_DISK * (time.monotonic() - begun))
        return max(rest, REST_FULL) if self._store.failing else rest

    def _kept(self, rest: float) -> None:
        self._sender.news.set()
        self._loop.call_later(rest, self._go_on)

    async def _best(self, aside: set[str]) -> tuple[Entry, bytes] | None:
        return await self._do(partial(self._store.best, time.time(), aside))

    async def _done(self, entry: Entry, result: Result) -> None:
        self._sent(result)
        if result == "unwanted":
            self._count_drop("unwanted")
        await self._do(partial(self._store.remove, entry))

    async def _expire(self) -> None:
        await self._do(partial(self._store.expire, time.time()))

    async def _do(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._thread, work)

    def _dropped(self, reason: Loss) -> None:
        """Called in the thread."""
        self._later(partial(self._count_drop, reason))

    def _later(self, what: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the process ends, and what was offered last is still being written
            self._loop.call_soon_threadsafe(what)

    def _count_drop(self, reason: Loss) -> None:
        self._metrics.spool_dropped.labels(reason).inc()

    def _sent(self, result: Result | Literal["failed"]) -> None:
        self._metrics.spool_sent.labels(result).inc()
