"""What the connections of one port share, whatever they speak: bounds, memory, and somebody who looks after them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from edgewise_runtime.ports.memory import Memory

_SCRATCH = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """How long and how much clients may take. Seconds."""

    patience: float
    """For the first request's head, for each body, and for the client to read each answer."""
    keep_alive: float = 75.0
    """Between two requests of a connection; nginx' default, which proxies expect."""
    linger: float = 2.0
    """In which a client may read why its body, not yet sent in full, was refused."""
    connections: int = 1024


class Guest(Protocol):
    """A connection, as far as the service looks after it."""

    @property
    def deadline(self) -> float:
        """When, on the loop's clock, it has taken too long for what it is at."""

    @property
    def idle(self) -> bool:
        """Whether it could be closed without anybody missing an answer."""

    @property
    def paused(self) -> bool:
        """Whether nothing more is read from it for now."""

    def expire(self) -> None:
        """Its deadline has passed."""

    def leave(self) -> None:
        """To be closed at once, or when its request is answered."""

    def abort(self) -> None:
        """To be closed, whatever it is at."""


class Reception:
    """Used from the event loop only."""

    def __init__(self, limits: Limits, memory: Memory) -> None:
        """`memory` may be shared with other ports."""
        self.limits = limits
        self.memory = memory
        self.guests: set[Guest] = set()
        self.closing = False
        self.unpacker = ThreadPoolExecutor(1, "unpack")
        """Unpacks what is compressed, one at a time: until it is done nobody knows how much memory that takes."""
        self.scratch = bytearray(_SCRATCH)
        """What arrives lands here first, of all connections: each is done with it before the next one reads, so that a
        silent connection costs no buffer."""
        self.room = memoryview(self.scratch)
        """The same, to receive into."""
        self._look: asyncio.TimerHandle | None = None
        self._emptied = asyncio.Event()

    @property
    def watching(self) -> bool:
        return self._look is not None

    def welcome(self, guest: Guest) -> bool:
        """Takes a new connection in; where there are too many, the one that has been idle longest leaves for it.

        False: all are busy."""
        if len(self.guests) >= self.limits.connections:
            idle = min((other for other in self.guests if other.idle), key=lambda other: other.deadline, default=None)
            if idle is None:
                return False
            idle.abort()
            self.guests.discard(idle)
        self.guests.add(guest)
        if self._look is None:
            self._look_later()
        return True

    def farewell(self, guest: Guest) -> None:
        """A connection has ended."""
        self.guests.discard(guest)
        if not self.guests:
            self._emptied.set()

    async def emptied(self) -> None:
        """Returns when nobody is connected."""
        self._emptied.clear()
        if self.guests:
            await self._emptied.wait()

    def close(self) -> None:
        """When nobody is connected any more."""
        if self._look is not None:
            self._look.cancel()
        self.unpacker.shutdown(wait=False, cancel_futures=True)

    def _look_later(self) -> None:
        interval = min(1.0, self.limits.patience / 4)
        self._look = asyncio.get_running_loop().call_later(interval, self._sweep)

    def _sweep(self) -> None:
        """Ends what has taken too long; looks again while there is anybody: a device nobody asks should not wake up."""
        self._look = None
        if self.guests:
            self._look_later()  # first: whatever comes of ending one, the others are looked after
        now = asyncio.get_running_loop().time()
        for guest in [guest for guest in self.guests if guest.deadline <= now]:
            guest.expire()
