"""Files that are the old or the new one, whatever happens in between. Used for whatever is kept in the node's cache.

A device is unplugged more often than it is shut down: a rename is only durable once the file and its folder are synced.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

TEMPORARY = ".tmp"  # names of files being written end so; agent/cache.py removes forgotten ones


def write(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, all or nothing. Makes the folder. OSError where the disk is full or read-only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        move(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def move(source: Path, target: Path) -> None:
    """Rename a finished file into place: content first, then the name, then the folder that holds the name."""
    _sync(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
