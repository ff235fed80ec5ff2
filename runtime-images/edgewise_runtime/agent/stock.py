"""Gets model files onto the node: from the cache, put together from a delta, or fetched, after making room for them.

Used by agent/switching.py, for what shall serve and for what shall serve next. Pods that share the folder bring a file
once: who comes second waits, and uses it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from edgewise.api.edgemodel import Source
from edgewise.api.names import Reason
from edgewise.contract.plan import Build
from edgewise_runtime.agent.cache import Cache, Room
from edgewise_runtime.agent.claims import Claim, claimed
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch import Fetcher, Order
from edgewise_runtime.agent.threads import to_the_end

__all__ = ["Rebuild", "Rebuilder", "Room", "Stock"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class Rebuild:
    """One file that might be had for less than its size."""

    build: Build
    target: Path
    """Where to write the whole file."""
    most: int
    """Bytes that may be written there."""
    remaining: int | None
    """Bytes of the whole file that are not there yet; None: nobody knows its size."""
    base: Callable[[str], Awaitable[Path | None]]
    """The verified file of this sha256, where the node has it."""
    fetch: Callable[[Source], Awaitable[Path]]
    """Brings a small file, by the same rules as a big one; it is gone when the rebuild is over."""


class Rebuilder(Protocol):
    """Puts files together from what the node has and little more: agent/deltas.py."""

    async def rebuild(self, wanted: Rebuild) -> bool:
        """Whether `wanted.target` is now the verified file; if not, the whole file is fetched. Failure where that would
        not help either. OSError where the disk is full or broken."""


@dataclass(frozen=True)
class _Errand:
    """One file on its way into the cache; its claim is held."""

    what: Build | Source
    room: Room
    progress: Callable[[int], None]
    claim: Claim

    @property
    def source(self) -> Source:
        return _source(self.what)

    @property
    def sha256(self) -> str:
        return self.source.sha256


class Stock:
    """Cache and fetcher as one: ask for a file, get a path."""

    def __init__(self, cache: Cache, fetcher: Fetcher, rebuilder: Rebuilder | None = None) -> None:
        self._cache = cache
        self._fetcher = fetcher
        self._rebuilder = rebuilder
        self._verified: set[str] = set()

    async def obtain(self, what: Build | Source, room: Room, progress: Callable[[int], None]) -> Path:
        """Path of the verified file. Failure, with what to do about it; what arrived is kept for the next try. Of a
        build the way there may be a delta. May be cancelled at any moment."""
        sha256 = _source(what).sha256
        path = self._cache.blob(sha256)
        try:
            if not await self.holds(sha256):
                await self._one_at_a_time(what, room, progress)
            progress(path.stat().st_size)
        except OSError as error:
            self._verified.discard(sha256)
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

    async def _one_at_a_time(self, what: Build | Source, room: Room, progress: Callable[[int], None]) -> None:
        """Whoever held the claim before may have brought it."""
        sha256 = _source(what).sha256
        async with claimed(self._cache.claim(sha256), partial(self._tell, sha256, progress)) as claim:
            if not await self.holds(sha256):
                await self._bring(_Errand(what, room, progress, claim))

    async def _bring(self, errand: _Errand) -> None:
        """Into the cache. Where the disk is full before the cache's limit is reached, what nobody needs goes first."""
        try:
            arrived = await self._arrived(errand)
        except OSError as error:
            if error.errno not in _FULL or not await to_the_end(self._cache.give_up, errand.room.keep):
                raise
            arrived = await self._arrived(errand)
        await to_the_end(self._cache.admit, errand.sha256, arrived)
        self._verified.add(errand.sha256)

    async def _arrived(self, errand: _Errand) -> Path:
        """The whole file beside the cache, verified."""
        most = await to_the_end(self._grow, errand, errand.source.size or 0)
        if await self._rebuilt(errand, most):
            return self._cache.rebuilt(errand.sha256, shared=errand.claim.locked)
        return await self._fetched(errand, most)

    async def _fetched(self, errand: _Errand, most: int) -> Path:
        path = self._cache.partial(errand.sha256, shared=errand.claim.locked)
        order = Order(errand.source, path, most, errand.progress, partial(self._grow, errand))
        await self._fetcher.fetch(order)
        return path

    def _grow(self, errand: _Errand, size: int) -> int:
        """Room for a file of `size` bytes, and the word to other pods that it is taken. Bytes there is room for."""
        most = self._cache.make_room(errand.room, errand.sha256, size)
        errand.claim.promise(size)
        return most

    async def _rebuilt(self, errand: _Errand, most: int) -> bool:
        """Whether the file could be put together from a delta. What was fetched for it goes once that is decided."""
        if self._rebuilder is None or not isinstance(errand.what, Build):
            return False
        target = self._cache.rebuilt(errand.sha256, shared=errand.claim.locked)
        begun = self._cache.partial(errand.sha256, shared=errand.claim.locked)
        extras: list[Path] = []
        async with contextlib.AsyncExitStack() as claims:
            fetch = partial(self._extra, errand, claims, extras)
            remaining = _remaining(errand.source, begun)
            done = await self._rebuilder.rebuild(Rebuild(errand.what, target, most, remaining, self._base, fetch))
            for path in (*extras, begun if done else target):
                path.unlink(missing_ok=True)
        return done

    async def _base(self, sha256: str) -> Path | None:
        return self._cache.blob(sha256) if await self.holds(sha256) else None

    async def _extra(
        self, errand: _Errand, claims: contextlib.AsyncExitStack, extras: list[Path], source: Source
    ) -> Path:
        """A delta: claimed for as long as it is needed, so that nobody makes room of it."""
        claim = await claims.enter_async_context(claimed(self._cache.claim(source.sha256), lambda: None))
        extra = _Errand(source, errand.room, lambda _: None, claim)
        path = await self._fetched(extra, await to_the_end(self._grow, extra, source.size or 0))
        extras.append(path)
        return path

    def _tell(self, sha256: str, progress: Callable[[int], None]) -> None:
        """How far another pod has come."""
        with contextlib.suppress(FileNotFoundError):
            progress(self._cache.partial(sha256).stat().st_size)


def _source(what: Build | Source) -> Source:
    return what.source if isinstance(what, Build) else what


def _remaining(source: Source, begun: Path) -> int | None:
    """Bytes to fetch; None where nobody knows the size."""
    if source.size is None:
        return None
    return max(0, source.size - (begun.stat().st_size if begun.exists() else 0))


def _disk(error: OSError) -> Failure:
    if error.errno in _FULL:
        message = "the device's disk is full; free space on the node, or give the cache a bigger volume"
    else:
        message = f"the cache folder cannot be used: {error}"
    return Failure(Reason.DISK_FULL, message)
