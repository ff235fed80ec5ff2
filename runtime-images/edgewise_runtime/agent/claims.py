"""Who of a node's pods brings a file into the cache they share: one at a time, the others wait and use what it brought.

A claim is a file beside the download, locked for as long as somebody is at it (flock: the kernel frees it when its
holder is killed), with the size the file will have. Called by agent/stock.py and agent/cache.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from edgewise_runtime.agent.threads import to_the_end

LOOK_SECONDS = 0.5  # between two looks at a claim that another pod holds
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})


class Claim:
    """The right to write one file. All methods block, briefly."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None
        self.locked = False
        """False where the file system has no locks (some NFS): then every pod must write a file of its own."""

    def take(self) -> bool:
        """False while another holds it. OSError where the disk is broken."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self.locked = _lock(handle, fcntl.LOCK_EX)
        except BaseException as error:
            os.close(handle)
            if isinstance(error, BlockingIOError):
                return False
            raise
        if os.fstat(handle).st_nlink == 0:  # given back between the two: what is locked is no longer the claim
            os.close(handle)
            return False
        self._handle = handle
        return True

    def promise(self, size: int) -> None:
        """Say how big the file will be: others leave so much room for it."""
        if self._handle is not None:
            os.pwrite(self._handle, b"%20d" % size, 0)

    def give_back(self) -> None:
        """Of no effect where it was not taken."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None


@contextlib.asynccontextmanager
async def claimed(path: Path, waiting: Callable[[], object]) -> AsyncIterator[Claim]:
    """Waits until nobody else holds it; calls `waiting` now and then meanwhile."""
    claim = Claim(path)
    try:
        while not await to_the_end(claim.take):
            waiting()
            await asyncio.sleep(LOOK_SECONDS)
        yield claim
    finally:
        claim.give_back()


def promised(path: Path) -> int | None:
    """Bytes that the holder of a claim said its file will have, 0 where it has not yet; None: nobody holds it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        _lock(handle, fcntl.LOCK_SH)
    except BlockingIOError:
        text = os.pread(handle, 20, 0).strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(handle)
    return None


def _lock(handle: int, kind: int) -> bool:
    """False where there are no locks. BlockingIOError while another has it."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True
