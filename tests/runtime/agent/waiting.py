"""Waits for what a test is about to assert, and says what it waited for where that never came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE_SECONDS = 30.0


async def until(holds: Callable[[], object], what: str) -> None:
    """Return as soon as `holds()` does; AssertionError after PATIENCE_SECONDS."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while not holds():
        assert loop.time() < deadline, f"waited {PATIENCE_SECONDS:.0f} s in vain until {what}"
        await asyncio.sleep(0.01)
