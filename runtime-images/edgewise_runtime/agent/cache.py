"""Model files on the node, by content: `blobs/sha256/<hex>`, and `partial/<hex>.part` while they arrive.

A blob is there whole or not at all, is hashed again before a process first uses it, and is never thrown out while some
release still needs it. The folder may be shared by several pods (HostPath): any of them may be killed at any step. All
methods block; agent/stock.py calls them in threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from edgewise.api.names import Reason
from edgewise.api.units import binary
from edgewise_runtime import durable
from edgewise_runtime.agent import claims
from edgewise_runtime.agent.failure import Failure

FORGOTTEN_SECONDS = 86_400.0  # a download that nobody went on with for a day is not wanted any more
MARK_SECONDS = 3600.0  # how often it is written down that a file is in use
_READ = 2**20


@dataclass(frozen=True)
class Room:
    """How much the cache may hold, and what must stay in it."""

    limit: int
    """Bytes."""
    keep: frozenset[str] = field(default_factory=frozenset)
    """sha256 of the files of the serving, the stable and the target release, of all pods that share the folder."""
    spare: frozenset[str] = field(default_factory=frozenset)
    """sha256 of files that go after all others: somebody might go back to them."""


@dataclass(frozen=True)
class _File:
    path: Path
    sha256: str
    size: int
    """Bytes; of one that is arriving, those it will have at least."""
    used: float
    """Seconds since the epoch."""
    arriving: bool
    """Some pod is at it now."""


class Cache:
    """One folder, perhaps shared by several pods of the node."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._blobs = folder / "blobs" / "sha256"
        self._partial = folder / "partial"

    def blob(self, sha256: str) -> Path:
        return self._blobs / sha256

    def partial(self, sha256: str, *, shared: bool = True) -> Path:
        """Where it is downloaded to. Not `shared`: by this pod only, where the file system has no locks."""
        return self._partial / f"{sha256}{'' if shared else '.' + socket.gethostname()}.part"

    def rebuilt(self, sha256: str, *, shared: bool = True) -> Path:
        """Where it is put together from a delta."""
        return self.partial(sha256, shared=shared).with_suffix(".new")

    def claim(self, sha256: str) -> Path:
        return self._partial / f"{sha256}.lock"

    def verified(self, sha256: str) -> bool:
        """Whether the blob is there and hashes to its name; one that does not is removed. Marks it as used now."""
        path = self.blob(sha256)
        try:
            with path.open("rb") as file:
                sound = digest(file) == sha256
            os.utime(path)
        except FileNotFoundError:
            return False
        if not sound:
            path.unlink(missing_ok=True)
        return sound

    def admit(self, sha256: str, arrived: Path) -> Path:
        """A finished, verified download becomes a blob: a rename, made durable."""
        durable.move(arrived, self.blob(sha256))
        return self.blob(sha256)

    def make_room(self, room: Room, sha256: str = "", size: int = 0) -> int:
        """Remove what was in use longest ago until the file `sha256` may grow to `size` bytes; returns the bytes to
        which it might grow.

        Files to keep stay, whatever it takes, and so does what other pods are fetching: Failure (DiskFull) where those
        alone leave too little. What is kept counts as in use today.
        """
        files = [file for file in self._files() if file.sha256 != sha256]
        kept = [file for file in files if file.arriving or file.sha256 in room.keep]
        held = sum(file.size for file in kept)
        if held + size > room.limit:
            raise Failure(Reason.DISK_FULL, _too_little(room.limit, held, size))
        self._mark(kept)
        total = sum(file.size for file in files)
        for file in sorted((file for file in files if file not in kept), key=lambda file: _worth(file, room)):
            if total + size <= room.limit:
                break
            file.path.unlink(missing_ok=True)
            total -= file.size
        return room.limit - held

    def give_up(self, keep: Collection[str]) -> bool:
        """Remove all that need not stay, because the disk is full. Whether there was anything."""
        files = [file for file in self._files() if not file.arriving and file.sha256 not in keep]
        for file in files:
            file.path.unlink(missing_ok=True)
        return bool(files)

    def sweep(self, keep: Collection[str]) -> None:
        """Remove downloads that were given up, and what a killed process left of files it was writing. Files of `keep`
        are in use today."""
        oldest = time.time() - FORGOTTEN_SECONDS
        files = list(self._files())
        self._mark(file for file in files if file.sha256 in keep)
        for file in files:
            given_up = file.path.parent == self._partial and file.used < oldest and not file.arriving
            if given_up and file.sha256 not in keep:
                file.path.unlink(missing_ok=True)
        for path in (*self.folder.rglob(f"*{durable.TEMPORARY}"), *self._partial.glob("*.lock")):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest and claims.promised(path) is None:
                    path.unlink()

    @staticmethod
    def _mark(files: Iterable[_File]) -> None:
        """In use now: what nobody needs any more has then been needed until not long ago."""
        for file in files:
            if not file.arriving and time.time() - file.used > MARK_SECONDS:
                with contextlib.suppress(OSError):
                    os.utime(file.path)

    def _files(self) -> Iterator[_File]:
        """What is there, and what is on its way: of that all parts count as one."""
        coming = {
            path.stem: size for path in self._partial.glob("*.lock") if (size := claims.promised(path)) is not None
        }
        arrived = dict.fromkeys(coming, 0)
        for path in (*self._blobs.glob("*"), *self._partial.glob("*.part"), *self._partial.glob("*.new")):
            try:
                state = path.stat()
            except FileNotFoundError:  # another pod was quicker
                continue
            sha256 = path.name.partition(".")[0]
            if sha256 in coming:
                arrived[sha256] += state.st_size
            else:
                yield _File(path, sha256, state.st_size, state.st_mtime, arriving=False)
        for sha256, size in coming.items():
            yield _File(self.claim(sha256), sha256, max(size, arrived[sha256]), time.time(), arriving=True)


def _worth(file: _File, room: Room) -> tuple[bool, float]:
    return file.sha256 in room.spare, file.used


def digest(file: BinaryIO) -> str:
    """sha256 of the rest of the file, hexadecimal."""
    found = hashlib.sha256()
    while chunk := file.read(_READ):
        found.update(chunk)
    return found.hexdigest()


def _too_little(limit: int, held: int, size: int) -> str:
    return (
        f"serving.cache.limit is {binary(limit)}; the releases in use take {binary(held)} of it and this model needs "
        f"{binary(size)}; raise the limit"
    )
