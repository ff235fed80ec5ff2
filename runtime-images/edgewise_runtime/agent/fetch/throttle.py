"""The cap on what downloads may take of a device's link: one for all of its downloads, and for all pods that share its
cache folder. Read and set by agent/__init__.py, obeyed by fetch/transfer.py.

How: a token bucket whose state is the moment until which the link is spoken for. It lies in a file of the cache (the
monotonic clock is the same in all containers of a node), so that pods queue up behind each other, first come, first
served; without a file that can be written each pod has a bucket of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from edgewise_runtime.pace import Pace

BURST_SECONDS = 0.25
"""What an idle link may catch up on at once: 2.5 % of what passes in 10 seconds. With less, a busy board, which wakes
late from every sleep, stays below the cap."""
LONGEST_SECONDS = 60.0
"""Nobody has spoken for the link for longer: such a moment was written before a reboot."""
PIECE_SECONDS = 0.05
WINDOW_SECONDS = 0.5
"""What a server may send ahead of the cap. Less would slow links with a long way (satellites) below the cap."""
CHUNK = 2**18
LEAST_PIECE = 2**10
USUAL_WINDOW = 2**17  # bytes: where Linux begins by itself (net.ipv4.tcp_rmem)


class Throttle:
    """Bytes a second for all downloads together; `rate` may change at any time, None: no cap."""

    def __init__(self, file: Path | None = None) -> None:
        """`file`: what pods that share the cache have in common."""
        self.rate: float | None = None
        self._file = file
        self._due = 0.0

    @property
    def piece(self) -> int:
        """Bytes to read at a time."""
        return CHUNK if self.rate is None else int(min(CHUNK, max(LEAST_PIECE, self.rate * PIECE_SECONDS)))

    @property
    def window(self) -> int | None:
        """Bytes that may be on their way unread; None: as many as the system thinks right."""
        wanted = USUAL_WINDOW if self.rate is None else int(self.rate * WINDOW_SECONDS)
        return max(wanted, LEAST_PIECE) if wanted < USUAL_WINDOW else None

    async def spend(self, size: int) -> None:
        """Returns when `size` more bytes are within the cap."""
        if self.rate is not None:
            await asyncio.sleep(self.reserve(size, time.monotonic()))

    def reserve(self, size: int, now: float) -> float:
        """Seconds until the link has carried them."""
        with self._common() as handle:
            before = self._due if handle is None else _read(handle)
            pace = Pace(self.rate, BURST_SECONDS, before if before < now + LONGEST_SECONDS else now)
            wait = pace.wait(size, now)
            self._due = pace.due
            if handle is not None:
                with contextlib.suppress(OSError):  # the disk is full: that is for others to tell
                    os.pwrite(handle, struct.pack("<d", pace.due), 0)
        return wait

    @contextlib.contextmanager
    def _common(self) -> Iterator[int | None]:
        """The file, locked for the few microseconds this takes; None where there is none that can be used."""
        handle = None
        try:
            if self._file is not None:
                handle = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if handle is not None:
                os.close(handle)
            handle = None
        try:
            yield handle
        finally:
            if handle is not None:
                os.close(handle)


def _read(handle: int) -> float:
    stored = os.pread(handle, 8, 0)
    return float(struct.unpack("<d", stored)[0]) if len(stored) == 8 else 0.0
