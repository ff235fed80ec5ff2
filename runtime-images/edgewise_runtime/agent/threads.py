"""Blocking work in a thread, for coroutines that own a file: none of it goes on behind the back of one that was
cancelled. Used by agent/stock.py and agent/fetch/, which give a file to the next process the moment they end, and by
agent/counting.py, whose last write must not be overtaken by the one before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from typing import TypeVar

Result = TypeVar("Result")


async def to_the_end(function: Callable[..., Result], *arguments: object) -> Result:
    """asyncio.to_thread; a cancellation is passed on once the function has returned."""
    job = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        await asyncio.wait({job})
        if not job.cancelled():
            job.exception()  # looked at: nobody is left to hear of it
        raise


@asynccontextmanager
async def opened(function: Callable[..., AbstractContextManager[Result]], *arguments: object) -> AsyncIterator[Result]:
    """`with function(*arguments)`, entered in a thread; left here, even where a cancellation came meanwhile."""
    with ExitStack() as stack:
        yield await to_the_end(lambda: stack.enter_context(function(*arguments)))
