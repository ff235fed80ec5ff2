"""Models that are on the node already: `file:///path` below the one folder that the administrator opened, and
`pvc://claim/path` in a volume that the pod mounts. Copied into the cache like any other: what is loaded stays as it is.

A path is a tenant's word: it may not climb out of its folder, by `..` or by symbolic links, and names a file, not a
device.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edgewise.api.names import Reason
from edgewise.contract.plan import CLAIMS_FOLDER, FILES_FOLDER
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch.expected import Expected
from edgewise_runtime.agent.fetch.partial import Partial
from edgewise_runtime.agent.threads import opened, to_the_end

CHUNK = 2**20


@dataclass(frozen=True)
class Folders:
    """Where this pod sees what is on its node."""

    files_root: str = ""
    """The folder below which file:// may name files, as it is called on the node. Empty: none."""
    files: Path = Path(FILES_FOLDER)
    """Where that folder is mounted."""
    claims: Path = Path(CLAIMS_FOLDER)
    """<claims>/<name>: mounted PersistentVolumeClaims."""

    def place(self, uri: str) -> tuple[Path, str]:
        """(folder that must not be left, path in it). Failure where `uri` names none that is open to this pod."""
        scheme, _, rest = uri.partition("://")
        if scheme == "pvc":
            claim, _, path = rest.partition("/")
            if not claim or claim in (".", "..") or not path:
                raise Failure(Reason.SOURCE_REFUSED, f"{uri} is no pvc source; write pvc://claim/path/to/file")
            return self.claims / claim, path
        root = self.files_root.rstrip("/")
        if not root:
            message = f"{uri}: no folder of the node is open to file:// sources; ask the administrator for fileRoot"
            raise Failure(Reason.SOURCE_REFUSED, message)
        if not rest.startswith(f"{root}/"):
            raise Failure(Reason.SOURCE_REFUSED, f"{uri} is not below file://{root}, where this namespace's files lie")
        return self.files, rest[len(root) + 1 :]


@dataclass(frozen=True)
class Copy:
    """One file into one Partial."""

    folders: Folders
    expected: Expected
    progress: Callable[[int], None]

    async def complete(self, uri: str, partial: Partial) -> None:
        """Failure where the file is not there, is none, or is another; nothing of it is kept then."""
        folder, path = self.folders.place(uri)
        async with opened(_open, folder, path) as file:
            size = os.fstat(file.fileno()).st_size
            self.expected.check_length(size, uri)
            self.expected.told(size)
            await to_the_end(self.expected.grow, size)
            await to_the_end(partial.restart)
            try:
                await self._copy(uri, file, partial)
            except Failure:
                await to_the_end(partial.restart)
                raise

    async def _copy(self, uri: str, file: BinaryIO, partial: Partial) -> None:
        while chunk := await to_the_end(_read, file, uri):
            self.expected.check_length(partial.size + len(chunk), uri)
            await to_the_end(partial.append, chunk)
            self.progress(partial.size)
        self.expected.check_whole(partial.size, uri)
        if partial.sha256 != self.expected.sha256:
            raise Failure(
                Reason.HASH_MISMATCH,
                f"{uri} has sha256 {partial.sha256}, source.sha256 says {self.expected.sha256}; correct one of them",
            )


def _read(file: BinaryIO, uri: str) -> bytes:
    try:
        return file.read(CHUNK)
    except OSError as error:  # of the source's disk, not of the cache's
        raise Failure(Reason.SOURCE_UNREACHABLE, f"{uri} cannot be read: {error.strerror}") from error


def _open(folder: Path, path: str) -> BinaryIO:
    """The file at `path` below `folder`, open. Links are followed inside the folder; what they lead to is then opened
    name by name, without following any: nobody can put one there in between. Blocking."""
    try:
        root = Path(os.path.realpath(folder))
        real = Path(os.path.realpath(root / path))
        return _step_by_step(root, real.relative_to(root).parts)
    except ValueError as error:
        raise Failure(Reason.SOURCE_REFUSED, f"{path} leads out of its folder; models come from below it") from error
    except FileNotFoundError as error:
        raise Failure(Reason.SOURCE_UNREACHABLE, f"{path} is not there yet; put it on the node") from error
    except OSError as error:
        raise Failure(Reason.SOURCE_REFUSED, f"{path} cannot be read: {error.strerror}") from error


def _step_by_step(root: Path, names: tuple[str, ...]) -> BinaryIO:
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in names:
            inner = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=handle)
            os.close(handle)
            handle = inner
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise
