"""The work queue: keys in, keys out. Two hundred events about an object become at most two looks at it.

A key is never handed to two workers at once; one that comes while it is being worked on is handed out again afterwards;
one that fails comes back later and later, and holds up nobody else. Filled by routing, emptied by the workers.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Backoff:
    """How long a failing key waits: first, doubled with each failure up to longest, plus or minus a share of jitter."""

    first: float = 0.5
    """Seconds."""
    longest: float = 300.0
    """Seconds."""
    jitter: float = 0.2
    """Share of the delay, so that keys that failed together do not come back together."""

    def delay(self, failures: int, chance: float) -> float:
        """Seconds after so many failures in a row; `chance` is uniform in [0, 1)."""
        wait = min(self.longest, self.first * 2.0 ** min(failures - 1, 32))
        return wait * (1 - self.jitter + 2 * self.jitter * chance)


BACKOFF = Backoff()


class WorkQueue(Generic[K]):
    """A queue of keys for any number of workers in one event loop."""

    def __init__(self, backoff: Backoff = BACKOFF) -> None:
        self._backoff = backoff
        self._waiting: dict[K, float] = {}  # in order of arrival; key -> since when
        self._working: dict[K, float] = {}
        self._again: set[K] = set()
        self._later: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._news = asyncio.Event()

    def add(self, key: K) -> None:
        """As soon as a worker is free; once, however often it is said."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = self._now()
            self._news.set()

    def add_after(self, key: K, delay: float) -> None:
        """In `delay` seconds, or at an earlier time already set for it."""
        known = self._later.get(key)
        if known is not None and known.when() <= self._now() + delay:
            return
        if known is not None:
            known.cancel()
        self._later[key] = asyncio.get_running_loop().call_later(delay, self._due, key)

    def retry(self, key: K) -> float:
        """After a failure: back later and later. Returns the delay in seconds."""
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = self._backoff.delay(self._failures[key], random.random())  # noqa: S311
        self.add_after(key, delay)
        return delay

    def succeeded(self, key: K) -> None:
        """Forgets its failures."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The key that waits longest; it belongs to the caller until `done`."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        return self.take()

    def take(self) -> K:
        """Like `get`, but KeyError when nothing waits."""
        if not self._waiting:
            raise KeyError("the queue is empty")
        key = next(iter(self._waiting))
        del self._waiting[key]
        self._working[key] = self._now()
        return key

    def done(self, key: K) -> None:
        """The worker has finished with it, well or badly."""
        del self._working[key]
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    @property
    def depth(self) -> int:
        """Keys that wait for a worker now."""
        return len(self._waiting)

    @property
    def age(self) -> float:
        """Seconds the oldest key has waited or been worked on: large means stuck."""
        oldest = min((*self._waiting.values(), *self._working.values()), default=None)
        return 0.0 if oldest is None else self._now() - oldest

    def close(self) -> None:
        """Drops what is set for later."""
        for timer in self._later.values():
            timer.cancel()
        self._later.clear()

    def _due(self, key: K) -> None:
        del self._later[key]
        self.add(key)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
