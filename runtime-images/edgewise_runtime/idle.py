"""Gives memory back to the device when nobody asks for answers. Started and stopped by server.py."""

from __future__ import annotations

import asyncio
from typing import Protocol

from edgewise_runtime.engines import memory

SECONDS = 10.0  # without a request; the next one pays a few milliseconds for memory that comes anew


class Asked(Protocol):
    """The data plane, as far as this needs it."""

    @property
    def last_request(self) -> float:
        """Changes with each request."""

    @property
    def in_flight(self) -> int: ...


async def give_back_when_idle(plane: Asked, seconds: float = SECONDS) -> None:
    """For ever: once after each time in which there were requests, and once after the start."""
    given = -1.0
    while True:
        before = plane.last_request
        await asyncio.sleep(seconds)
        if plane.last_request == before != given and not plane.in_flight:
            given = before
            await asyncio.to_thread(memory.release)
