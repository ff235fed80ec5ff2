"""A download in progress: a file that grows, and the sha256 of what is in it. Survives the process, and two of them.

All methods block; fetch/ calls them in threads, since an SD card may take seconds over a write.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path
from types import TracebackType

from edgewise.api.names import Reason
from edgewise_runtime.agent.failure import Failure

_READ = 2**20


class Partial:
    """Opened for appending after what an earlier try left; locked, as the pods of a node may share the cache."""

    def __init__(self, path: Path) -> None:
        """OSError as from open; Failure where another process is at it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise Failure(
                Reason.SOURCE_UNREACHABLE, "another pod on this device is downloading the same file; waiting for it"
            ) from error
        self.size = 0
        self._hash = hashlib.sha256()
        self._read_what_is_there()

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
