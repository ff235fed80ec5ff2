"""What every proxy between a device and its cloud does, whatever it does to what passes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from typing import Any

Carry = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
"""Sees one connection of a client to its end."""


@contextlib.asynccontextmanager
async def accepting(carry: Carry, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of this machine where connections are carried; all of them end with it."""
    carrying = set[asyncio.Task[None]]()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(carry(reader, writer))
        carrying.add(task)
        task.add_done_callback(carrying.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await _ended(carrying)
        await asyncio.sleep(0)  # aborted transports close in the loop's next round


async def until_either_ends(there: asyncio.StreamWriter, *ways: Awaitable[None]) -> None:
    """Both ways of a connection that leads on to `there`, until one of them is at its end."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        there.transport.abort()
        await _ended(tasks)


async def _ended(tasks: Collection[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
