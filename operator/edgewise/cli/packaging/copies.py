"""Makes the copies of a file that are smaller than the file: compressed, and as a change of each earlier one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgewise.cli.packaging.builds import Build, File, earlier
from edgewise_runtime.deltas.encoding import Files, delta

FOLDER = "deltas"
"""Below the folder of the package; what is in it needs no signature, for what comes out of it has one."""
WORTH = 0.97
"""Of the next larger way: a copy that saves less is one more file to look after, for nothing."""

Progress = Callable[[str, float], None]
"""Told what is being made, and the share of it that is done."""


@dataclass(frozen=True)
class Made:
    """One copy."""

    title: str
    """Path below the folder of the package."""
    content: bytes
    since: File | None = None
    """What it is a change of; None: of nothing, it is the file compressed."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Packed:
    """A build with its copies."""

    build: Build
    compressed: Made | None = None
    deltas: tuple[Made, ...] = ()


def pack(build: Build, previous: Sequence[File], progress: Progress) -> Packed:
    """All copies of a build that are worth it."""
    name, content = build.file.name, build.file.content
    made = Made(f"{FOLDER}/{name}.packed", _changed(b"", content, f"compressing {name}", progress))
    compressed = made if len(made.content) < WORTH * len(content) else None
    least = WORTH * len(compressed.content if compressed else content)
    deltas = []
    for file in earlier(build, previous):
        change = _changed(file.content, content, f"{name} from {file.name}", progress)
        if len(change) < least:
            deltas.append(Made(f"{FOLDER}/{name}.from-{file.sha256[:8]}.delta", change, file))
    return Packed(build, compressed, tuple(deltas))


def _changed(old: bytes, new: bytes, what: str, progress: Progress) -> bytes:
    progress(what, 0.0)
    return delta(Files(old, new), lambda share: progress(what, share))
