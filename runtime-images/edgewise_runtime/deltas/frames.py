"""A frame of a delta becomes its piece of the file again. Called by applying.py; encoding.py writes what is read."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

import numpy as np

from edgewise_runtime.deltas import planes, runs
from edgewise_runtime.deltas.container import DeltaError, Kind
from edgewise_runtime.deltas.runs import Run
from edgewise_runtime.deltas.streams import Bytes, Reader, decoded, unpacked

STRETCH = struct.Struct("<QI")
"""Of a PATCH: where its dictionary begins in the base, and its length."""


@dataclass(frozen=True)
class Base:
    """The file that is there already, open for reading. Not mapped: a device's memory is counted by its pages."""

    handle: int
    size: int

    def read(self, start: int, into: Bytes) -> None:
        """Fills `into`. DeltaError where the file is not so long."""
        if start + len(into) > self.size or os.preadv(self.handle, [into.data], start) < len(into):
            raise DeltaError("corrupt", "the delta asks for more than its base has")


@dataclass(frozen=True)
class Place:
    """Where in the file a frame's piece lies, in bytes."""

    start: int
    size: int
    frame_size: int


class Bench:
    """Room to make one frame at a time in: the same for all, since new pages cost more than what is done with them."""

    def __init__(self, frame_size: int) -> None:
        self.piece, self.base, self.numbers = (np.empty(frame_size, np.uint8) for _ in range(3))


def made(kind: Kind, body: bytes, place: Place, base: Base, bench: Bench) -> bytes | memoryview:
    """Exactly `place.size` bytes, good until the bench is used again. DeltaError where the body does not make them."""
    if kind == Kind.STORED:
        if len(body) != place.size:
            raise DeltaError("corrupt", "a stored frame of the delta has another size than belongs there")
        return body
    if kind == Kind.PLAIN:
        return unpacked(body, place.size)
    if kind == Kind.PATCH:
        return _patched(body, place, base)
    _sum(body, place, base, bench)
    return bench.piece[: place.size].data


def _patched(body: bytes, place: Place, base: Base) -> bytes:
    reader = Reader(body)
    start, length = STRETCH.unpack(reader.take(STRETCH.size))
    if not 0 < length <= place.frame_size:
        raise DeltaError("corrupt", f"a frame of the delta wants a dictionary of {length} bytes")
    dictionary = np.empty(length, np.uint8)
    base.read(start, dictionary)
    return unpacked(body[STRETCH.size :], place.size, dictionary.data)


def _sum(body: bytes, place: Place, base: Base, bench: Bench) -> None:
    """Into bench.piece."""
    reader = Reader(body)
    found = runs.unpacked(_plan(reader), place.start, place.size, base.size)
    for (width, based), group in runs.grouped(found).items():
        size = sum(run.length for run in group)
        before = bench.base[:size] if based else None
        if before is not None:
            _gather(base, group, before)
        numbers = bench.piece[:size] if len(found) == 1 else bench.numbers[:size]
        planes.unpack(reader, before, numbers, width)
        if len(found) > 1:
            _scatter(numbers, group, bench.piece, place.start)
    reader.end()


def _plan(reader: Reader) -> bytes:
    size = reader.number()
    if size > runs.MOST_BYTES:
        raise DeltaError("corrupt", f"a frame of the delta claims a plan of {size} bytes")
    return decoded(reader, size).tobytes()


def _gather(base: Base, group: list[Run], into: Bytes) -> None:
    """What the runs resemble, end to end."""
    at = 0
    for run in group:
        if run.base is not None:
            base.read(run.base, into[at : at + run.length])
        at += run.length


def _scatter(numbers: Bytes, group: list[Run], piece: Bytes, start: int) -> None:
    at = 0
    for run in group:
        piece[run.start - start : run.start - start + run.length] = numbers[at : at + run.length]
        at += run.length
