"""Whether somebody listens on a port yet."""

from __future__ import annotations

import asyncio
import contextlib

from tests.runtime.agent.waiting import PATIENCE_SECONDS


async def listening(port: int) -> None:
    """Returns once a connection is taken; AssertionError where that never comes."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while loop.time() < deadline:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"nobody listens on port {port}")
