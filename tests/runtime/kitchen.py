"""An HTTP port with an application that does as it is told, for tests of what connections may hold."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from edgewise_runtime.access import Peer
from edgewise_runtime.errors import OverloadedError
from edgewise_runtime.http.answer import Answer, whole
from edgewise_runtime.http.application import Call, Later
from edgewise_runtime.http.body import encoding_of
from edgewise_runtime.http.head import Head
from edgewise_runtime.http.listener import Listener
from edgewise_runtime.ports.content import Intake
from edgewise_runtime.ports.memory import Memory
from edgewise_runtime.ports.reception import Limits
from tests.runtime.agent.waiting import until

MIB = 2**20
ROOM = 4 * MIB


class Kitchen:
    """An application that answers when it is told to, as much as it is told to, and remembers who left."""

    draining = False

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.done.set()
        self.hands_free = asyncio.Event()
        """Whoever is told to stop while this is not set finishes what he has in hand first, as a thread does."""
        self.hands_free.set()
        self.size = 0
        self.asked = 0
        self.abandoned = 0
        self.full = False

    def call(self, head: Head) -> Call:
        respond = {"break": self._break, "quick": self._quick}.get(head.path[-1], self._slow)
        return Call(respond, Intake(limit=64 * MIB, encoding=encoding_of(head)), check=self._check)

    def admit(self, head: Head, peer: Callable[[], Peer]) -> None:
        """Everybody."""

    def _check(self) -> None:
        if self.full:
            raise OverloadedError("the tables are taken")

    def _quick(self, body: memoryview) -> Answer:
        self.asked += 1
        return whole(body.hex().encode() + bytes(self.size))

    def _break(self, _body: memoryview) -> Answer:
        raise RuntimeError("the oven")

    def _slow(self, body: memoryview) -> Later:
        async def later() -> Answer:
            try:
                await self.done.wait()
            except asyncio.CancelledError:
                self.abandoned += 1
                await self.hands_free.wait()
                raise
            return self._quick(body)

        return later


class House:
    """A kitchen with its door."""

    def __init__(self, limits: Limits) -> None:
        self.kitchen = Kitchen()
        self.memory = Memory(ROOM)
        self.listener = Listener(self.kitchen, limits, self.memory)
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def house(patience: float = 30.0, keep_alive: float = 75.0, connections: int = 1024) -> AsyncIterator[House]:
    it = House(Limits(patience, keep_alive, linger=0.2, connections=connections))
    it.port = await it.listener.start("127.0.0.1", 0)
    try:
        yield it
    finally:
        await it.listener.close(5.0)
        await until(lambda: it.memory.held == 0, "all memory is free")
