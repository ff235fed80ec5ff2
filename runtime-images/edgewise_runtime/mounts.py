"""Notices that a kubelet has renewed mounted files. Used where Secrets count at every request: access, targets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

LOOK_SECONDS = 1.0
"""How often to look. A kubelet takes a minute and more to renew a mounted Secret: this adds nothing to it."""
_TRIES = 5  # a kubelet may renew the files while they are read: what was read in between is of no moment at all

Stamp = tuple[tuple[str, int, int], ...]


class Mounts:
    """Folders, and what to do when a file in one of them has changed."""

    def __init__(self, folders: Iterable[Path], read: Callable[[], None]) -> None:
        self._folders = tuple(folders)
        self._read = read
        self._seen: Stamp | None = None

    @property
    def changed(self) -> bool:
        """Whether `refresh` would read; a few system calls. True until the first `refresh`."""
        return self._seen is None or self._seen != self._stamp()

    def refresh(self) -> None:
        """Calls `read` where anything has changed since the last time, until nothing changes meanwhile."""
        for _ in range(_TRIES):
            seen = self._stamp()
            if seen == self._seen:
                return
            self._seen = seen
            self._read()

    def _stamp(self) -> Stamp:
        return tuple(_stamps(self._folders))


def _stamps(folders: Iterable[Path]) -> Iterator[tuple[str, int, int]]:
    """Differs with any file."""
    for path in (path for folder in folders for path in _telling(folder)):
        with contextlib.suppress(OSError):  # renewed at this moment
            status = path.stat()
            yield str(path), status.st_ino, status.st_mtime_ns


def _telling(folder: Path) -> list[Path]:
    """Where a change shows. A kubelet changes no file: it lays all of them anew, and swaps the link `..data`."""
    swapped = folder / "..data"
    return [swapped] if swapped.exists() else sorted(folder.glob("*"))
