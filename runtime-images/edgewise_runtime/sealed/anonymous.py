"""A file in anonymous memory: engines read it by a path, and no disk ever has it. Used by unsealing.py.

It lies in no file system (memfd), is gone with its last reader, and can no longer be changed once it is complete.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from pathlib import Path

_NOEXEC_SEAL = 0x0008  # MFD_NOEXEC_SEAL of Linux 6.3
_COMPLETE = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_PR_SET_DUMPABLE = 4


class AnonymousFile:
    """Open until `close`; what has mapped it keeps it longer."""

    def __init__(self) -> None:
        self._descriptor = _created()

    @property
    def path(self) -> Path:
        """Where this process, and no other, can open it."""
        return Path(f"/proc/self/fd/{self._descriptor}")

    def write(self, content: memoryview, at: int) -> None:
        """At that place; from any thread."""
        while content:
            written = os.pwrite(self._descriptor, content, at)
            content, at = content[written:], at + written

    def complete(self) -> None:
        """From now on nobody can write to it."""
        fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, _COMPLETE)

    def close(self) -> None:
        """To be called once."""
        os.close(self._descriptor)


def forbid_dumps() -> None:
    """For the rest of this process: no core dump has its memory, and no other process of its user can look into it.

    Engines copy what they load, so nothing smaller than the process will do."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot keep this process out of core dumps")


def _created() -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create("model", flags | _NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.memfd_create("model", flags)  # an older kernel
