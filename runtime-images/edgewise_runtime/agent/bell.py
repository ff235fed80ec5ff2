"""Tells every listener that something changed, without saying what: each then looks at the whole state again.

Plans and Progress each have one; switching and reporting listen.
"""

from __future__ import annotations

import asyncio


class Bell:
    """Level-triggered: a ring is kept for a listener that is busy, and two rings are one."""

    def __init__(self) -> None:
        self._listeners: list[asyncio.Event] = []

    def listen(self, listener: asyncio.Event | None = None) -> asyncio.Event:
        """The event that is set at each ring; pass one in to hear several bells with it. Clear it before looking."""
        listener = listener or asyncio.Event()
        self._listeners.append(listener)
        return listener

    def ring(self) -> None:
        for listener in self._listeners:
            listener.set()


async def heard(listener: asyncio.Event, seconds: float | None) -> bool:
    """Wait for a ring, at most `seconds` (None: for ever). True where there was one; it is consumed."""
    ring = asyncio.ensure_future(listener.wait())  # not wait_for: before Python 3.12 it can swallow a cancellation
    try:
        rung, _ = await asyncio.wait({ring}, timeout=seconds)
    finally:
        ring.cancel()
    if rung:
        listener.clear()
    return bool(rung)
