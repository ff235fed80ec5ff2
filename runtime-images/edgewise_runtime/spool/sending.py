"""Sends what is kept, the most valuable first, for as long as the sink takes it; else waits, longer each time.

Run by spool.py. An example is forgotten once the sink has it and not before: what a crash or a lost answer leaves in
doubt is sent again, under the same name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from edgewise_runtime.agent.backoff import backoff
from edgewise_runtime.agent.bell import heard
from edgewise_runtime.spool.sink import Result, Sink, SinkError
from edgewise_runtime.spool.store import Entry

log = logging.getLogger(__name__)

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 300.0
LOOK_SECONDS = 60.0  # how often to look for examples that have become too old


@dataclass(frozen=True)
class Shelf:
    """What the sender does with the store, each in the store's thread."""

    best: Callable[[set[str]], Awaitable[tuple[Entry, bytes] | None]]
    """The next example that is not among those ids."""
    done: Callable[[Entry, Result], Awaitable[None]]
    expire: Callable[[], Awaitable[None]]


@dataclass
class Sender:
    """One per spool."""

    sink: Sink | None
    """None: examples stay here."""
    shelf: Shelf
    failed: Callable[[], None]
    """Told of each try that did not succeed."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it when there is something new to send."""
    _aside: set[str] = field(default_factory=set)
    """Examples that the sink answered with an error: others go first, or one bad example would hold up all."""
    _failures: int = 0

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.shelf.expire()
            if self.sink is None or await self._all_sent(self.sink):
                await heard(self.news, LOOK_SECONDS)
            else:
                await asyncio.sleep(backoff(max(0, self._failures - 1), FIRST_SECONDS, LONGEST_SECONDS))

    async def _all_sent(self, sink: Sink) -> bool:
        found = await self.shelf.best(self._aside)
        if found is None and self._aside:
            self._aside.clear()
            found = await self.shelf.best(self._aside)
        if found is None:
            return True
        try:
            async with sink:
                while found is not None:
                    await self._send(sink, *found)
                    found = await self.shelf.best(self._aside)
        except SinkError as error:
            if error.answered and found is not None:
                self._aside.add(found[0].id)
            self._fail(error)
            return False
        return not self._aside

    async def _send(self, sink: Sink, entry: Entry, data: bytes) -> None:
        result = await sink.put(entry.id, data)
        self._failures = 0
        await self.shelf.done(entry, result)

    def _fail(self, error: SinkError) -> None:
        self.failed()
        level = logging.DEBUG if self._failures else logging.WARNING
        log.log(level, "hard examples cannot be sent; they are kept, and tried again", extra={"detail": str(error)})
        self._failures += 1
