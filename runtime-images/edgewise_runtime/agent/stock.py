"""Gets model files onto the node: from the cache, or fetched into it, after making room. Used by agent/switching.py."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgewise.api.edgemodel import Source
from edgewise.api.names import Reason
from edgewise_runtime.agent.cache import Cache
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch import Fetcher, Order

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class Room:
    """How much the cache may hold, and what must stay in it."""

    limit: int
    """Bytes."""
    keep: frozenset[str]
    """sha256 of the files of the serving, the stable and the target release."""


class Stock:
    """Cache and fetcher as one: ask for a file, get a path."""

    def __init__(self, cache: Cache, fetcher: Fetcher) -> None:
        self._cache = cache
        self._fetcher = fetcher
        self._verified: set[str] = set()

    async def obtain(self, source: Source, room: Room, progress: Callable[[int], None]) -> Path:
        """Path of the verified file. Failure, with what to do about it; what arrived is kept for the next try."""
        try:
            if not await self.holds(source.sha256):
                await self._fetch(source, room, progress)
            path = self._cache.blob(source.sha256)
            progress(path.stat().st_size)
        except OSError as error:
            self._verified.discard(source.sha256)
            raise _disk(error) from error
        return path

    def path(self, sha256: str) -> Path:
        """Where the file is, once `holds` said so."""
        return self._cache.blob(sha256)

    async def holds(self, sha256: str) -> bool:
        """Whether the file is on the node; hashed once in this process. OSError where the disk is broken."""
        if sha256 in self._verified and self._cache.blob(sha256).exists():
            return True
        sound = await asyncio.to_thread(self._cache.verified, sha256)
        if sound:
            self._verified.add(sha256)
        return sound

    async def _fetch(self, source: Source, room: Room, progress: Callable[[int], None]) -> None:
        partial = self._cache.partial(source.sha256)
        have = partial.stat().st_size if partial.exists() else 0
        need = max(0, (source.size or 0) - have)
        free = await asyncio.to_thread(self._cache.make_room, need, room.limit, room.keep)
        await self._fetcher.fetch(Order(source, partial, have + free, progress))
        await asyncio.to_thread(self._cache.admit, source.sha256)
        self._verified.add(source.sha256)
        await asyncio.to_thread(self._cache.make_room, 0, room.limit, room.keep)  # its size may not have been known


def _disk(error: OSError) -> Failure:
    if error.errno in _FULL:
        message = "the device's disk is full; free space on the node, or give the cache a bigger volume"
    else:
        message = f"the cache folder cannot be used: {error}"
    return Failure(Reason.DISK_FULL, message)
