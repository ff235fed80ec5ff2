"""Makes a file out of a delta and the file it starts from, piece by piece: memory for a few frames, whatever the model.

Nothing in the delta is believed. It cannot ask for more memory than its frames, nor for more disk than was granted, and
what comes out either has the sha256 that was asked for or is thrown away by whoever called.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import BinaryIO

from edgewise_runtime.deltas.container import DeltaError, Header, read_frame
from edgewise_runtime.deltas.frames import Base, Bench, Place, made


@dataclass(frozen=True)
class Wanted:
    """The file to make."""

    sha256: str
    most: int
    """Bytes it may have: its size where that is known, else what there is room for."""
    base_sha256: str = ""
    """Of the file to start from; empty: from none."""


def apply(delta: Path, base: Path | None, target: Path, wanted: Wanted) -> int:
    """Write `target`; returns its size. DeltaError where the delta does not lead there, and then `target` is worthless.

    `base` is a verified file with `wanted.base_sha256`. OSError as from the files; blocks, so call it in a thread.
    """
    with delta.open("rb") as file, target.open("wb") as out, _opened(base) as start:
        header = _agreed(Header.read(file), wanted, start)
        digest = hashlib.sha256()
        for piece in _pieces(file, header, start):
            out.write(piece)
            digest.update(piece)
        if file.read(1):
            raise DeltaError("corrupt", "the delta has more than belongs there")
    if digest.hexdigest() != wanted.sha256:
        raise DeltaError("mismatch", f"the delta makes a file with sha256 {digest.hexdigest()}, not {wanted.sha256}")
    return header.size


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[Base]:
    """The base while the block runs: another pod that throws it out of the cache takes nothing away."""
    if path is None:
        yield Base(-1, 0)
        return
    with path.open("rb") as file:
        yield Base(file.fileno(), os.fstat(file.fileno()).st_size)


def _agreed(header: Header, wanted: Wanted, base: Base) -> Header:
    if (header.base_sha256, header.base_size) != (wanted.base_sha256, base.size):
        raise DeltaError("base", "the delta starts from another file than the one that is there")
    if header.sha256 != wanted.sha256:
        raise DeltaError("mismatch", f"the delta leads to a file with sha256 {header.sha256}, not {wanted.sha256}")
    if header.size > wanted.most:
        raise DeltaError("size", f"the delta makes {header.size} bytes; {wanted.most} are allowed")
    return header


def _pieces(file: BinaryIO, header: Header, base: Base) -> Iterator[bytes | memoryview]:
    """In order, each good until the next is asked for, which is in work meanwhile. In one thread: numpy asks for the
    interpreter some hundred times a frame, and two of them wait for each other longer than they gain."""
    work: list[Future[bytes | memoryview]] = []
    benches = cycle([Bench(min(header.frame_size, header.size)) for _ in range(2)])
    with ThreadPoolExecutor(1, "delta") as pool:
        for start in range(0, header.size, header.frame_size):
            place = Place(start, min(header.frame_size, header.size - start), header.frame_size)
            kind, body = read_frame(file, place.size)
            work.append(pool.submit(made, kind, body, place, base, next(benches)))
            if len(work) > 1:
                yield work.pop(0).result()
        for piece in work:
            yield piece.result()
