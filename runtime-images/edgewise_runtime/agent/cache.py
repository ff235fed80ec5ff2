"""Model files on the node, by content: `blobs/sha256/<hex>`, and `partial/<hex>.part` while they arrive.

A blob is there whole or not at all, is hashed again before a process first uses it, and is never thrown out while some
release still needs it. All methods block; agent/stock.py calls them in threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edgewise.api.names import Reason
from edgewise.api.units import binary
from edgewise_runtime import durable
from edgewise_runtime.agent.failure import Failure

FORGOTTEN_SECONDS = 86_400.0  # a download that nobody went on with for a day is not wanted any more
_READ = 2**20


@dataclass(frozen=True)
class _File:
    path: Path
    sha256: str
    size: int
    used: float
    """Seconds since the epoch."""


class Cache:
    """One folder, perhaps shared by several pods of the node (HostPath)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._blobs = folder / "blobs" / "sha256"
        self._partial = folder / "partial"

    def blob(self, sha256: str) -> Path:
        return self._blobs / sha256

    def partial(self, sha256: str) -> Path:
        return self._partial / f"{sha256}.part"

    def verified(self, sha256: str) -> bool:
        """Whether the blob is there and hashes to its name; one that does not is removed. Marks it as used now."""
        path = self.blob(sha256)
        try:
            with path.open("rb") as file:
                sound = _sha256(file) == sha256
            os.utime(path)
        except FileNotFoundError:
            return False
        if not sound:
            path.unlink(missing_ok=True)
        return sound

    def admit(self, sha256: str) -> Path:
        """A finished, verified download becomes a blob: a rename, made durable."""
        durable.move(self.partial(sha256), self.blob(sha256))
        return self.blob(sha256)

    def make_room(self, need: int, limit: int, keep: Collection[str]) -> int:
        """Remove the least recently used files until `need` bytes fit under `limit`; returns the bytes that fit now.

        Files in `keep` stay, whatever it takes: Failure (DiskFull) where they alone leave too little.
        """
        files = sorted(self._files(), key=lambda file: file.used)
        kept = sum(file.size for file in files if file.sha256 in keep)
        if kept + need > limit:
            raise Failure(
                Reason.DISK_FULL,
                f"serving.cache.limit is {binary(limit)}; the releases in use take {binary(kept)} of it and this model "
                f"needs {binary(need)}; raise the limit",
            )
        total = sum(file.size for file in files)
        for file in files:
            if total + need <= limit:
                break
            if file.sha256 not in keep:
                file.path.unlink(missing_ok=True)
                total -= file.size
        return limit - kept

    def sweep(self, keep: Collection[str]) -> None:
        """Remove downloads that were given up, and what a killed process left of files it was writing."""
        oldest = time.time() - FORGOTTEN_SECONDS
        for file in self._files():
            if file.path.parent == self._partial and file.used < oldest and file.sha256 not in keep:
                file.path.unlink(missing_ok=True)
        for path in self._folder.rglob(f"*{durable.TEMPORARY}"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _files(self) -> Iterator[_File]:
        for path in (*self._blobs.glob("*"), *self._partial.glob("*")):
            try:
                state = path.stat()
            except FileNotFoundError:  # another pod was quicker
                continue
            yield _File(path, path.name.removesuffix(".part"), state.st_size, state.st_mtime)


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_READ):
        digest.update(chunk)
    return digest.hexdigest()
