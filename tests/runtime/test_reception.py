"""Whatever one client does, the port looks after the others."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass

import pytest

from edgewise_runtime.ports.memory import Memory
from edgewise_runtime.ports.reception import Limits, Reception
from edgewise_runtime.ports.sending import end
from tests.runtime.agent.waiting import until

pytestmark = pytest.mark.loops


@dataclass(eq=False)
class Guest:
    """One that cannot be ended without a mishap, where it is `clumsy`."""

    deadline: float
    clumsy: bool = False
    expired: bool = False
    idle = False
    paused = False

    def expire(self) -> None:
        self.expired = True
        self.deadline = float("inf")
        if self.clumsy:
            raise OSError("the client has gone in this very moment")

    def leave(self) -> None:
        """Nobody closes this port before its guests have left."""

    def abort(self) -> None:
        """Nobody closes this port before its guests have left."""


async def test_a_mishap_with_one_client_does_not_leave_the_others_without_an_end() -> None:
    reception, now = Reception(Limits(patience=0.1), Memory(1)), asyncio.get_running_loop().time()
    first, second = Guest(now, clumsy=True), Guest(now + 0.2)
    for guest in (first, second):
        assert reception.welcome(guest)
    await until(lambda: first.expired, "the first one's time is up")
    await until(lambda: second.expired, "so is the second one's")
    for guest in (first, second):
        reception.farewell(guest)
    await until(lambda: not reception.watching, "nobody is watched")
    reception.close()


async def test_a_client_that_has_gone_in_this_very_moment_is_no_mishap() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        other, _ = listening.accept()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    other.close()  # with a reset, of which the event loop has not heard yet
    end(writer.transport)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
