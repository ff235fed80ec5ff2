"""A download in progress: a file that grows, and the sha256 of what is in it. Survives the process.

Whoever opens one holds its claim (agent/claims.py): nobody else writes it. All methods block; fetch/ calls them in
threads, since an SD card may take seconds over a write.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType

_READ = 2**20


class Partial:
    """Opened for appending after what an earlier try left."""

    def __init__(self, path: Path) -> None:
        """OSError as from open."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        self.size = 0
        self.versions: dict[str, str] = {}
        """{URL: strong ETag} of what a server sent of it: it is gone on with only while the server has the same."""
        self._hash = hashlib.sha256()
        try:
            self._read_what_is_there()
        except BaseException:
            self._file.close()
            raise

    def append(self, chunk: bytes) -> None:
        """OSError (ENOSPC) where the disk is full. Flushed at once: what a killed process had is not fetched again."""
        self._file.write(chunk)
        self._file.flush()
        self._hash.update(chunk)
        self.size += len(chunk)

    def restart(self) -> None:
        """Throw away what is there."""
        self._file.truncate(0)
        self.size = 0
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def __enter__(self) -> Partial:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _read_what_is_there(self) -> None:
        self._file.seek(0, os.SEEK_SET)
        while chunk := self._file.read(_READ):
            self._hash.update(chunk)
            self.size += len(chunk)
