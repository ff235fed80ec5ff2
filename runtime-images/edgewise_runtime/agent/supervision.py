"""Keeps the agent's parts running: a bug in one is logged and that part started again; serving never notices."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from edgewise_runtime.agent.backoff import backoff

log = logging.getLogger(__name__)

LONGEST_SECONDS = 60.0  # before a part is started again


async def keep_running(parts: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
    """Run all parts until cancelled, and until each of them has ended then: some have something to write."""
    tasks = [asyncio.ensure_future(_keep_running(name, part)) for name, part in parts.items()]
    try:
        await asyncio.gather(*tasks)
    finally:
        await asyncio.wait(tasks)  # gather has passed the cancellation on to all, and waits for the first one only


async def _keep_running(name: str, part: Callable[[], Awaitable[None]]) -> None:
    loop, attempt = asyncio.get_running_loop(), 0
    while True:
        began = loop.time()
        try:
            await part()
            log.error("a part of the agent ended; starting it again", extra={"part": name})
        except Exception:  # the last line of defence: whatever it is, the device goes on serving
            log.exception("a part of the agent failed; starting it again", extra={"part": name})
        if loop.time() - began > LONGEST_SECONDS:
            attempt = 0  # it was well for a while: this is another trouble
        await asyncio.sleep(backoff(attempt, 1.0, LONGEST_SECONDS))
        attempt += 1
