"""Makes a delta: each frame in the kind that makes it smallest. Used by `kubectl edgewise package` and by tests.

Works in the memory of a workstation: about twenty times the model.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from edgewise_runtime.deltas import planes, runs
from edgewise_runtime.deltas.alignment import stretches
from edgewise_runtime.deltas.container import SMALLEST, Header, Kind, pack_frame
from edgewise_runtime.deltas.frames import STRETCH, Place
from edgewise_runtime.deltas.runs import Run
from edgewise_runtime.deltas.streams import Bytes, encoded, number, packed
from edgewise_runtime.deltas.widths import runs_of

LEVEL = 19
_FRAMES = 16
"""A file has at least so many, where it is not tiny: a device holds a few at once."""
_ROUGH, _HOPE = 3, 1.4
"""A quick level of zstd, and how far it may be from the best so far to make a thorough one worth a try."""
_LARGEST = 20
"""log2 of the bytes of a frame: a processor's cache holds what is done with 1 MiB, and more saves nothing."""


@dataclass(frozen=True)
class Files:
    """What a delta leads from and to; `old` is empty where the file is only compressed."""

    old: bytes
    new: bytes
    level: int = LEVEL
    """Of zstd, 1 to 22."""


def delta(files: Files, progress: Callable[[float], None] = lambda _: None) -> bytes:
    """`progress` is told the share that is done. At worst a few bytes longer than `files.new`."""
    header = Header(
        base_size=len(files.old),
        base_sha256=hashlib.sha256(files.old).hexdigest() if files.old else "",
        size=len(files.new),
        sha256=hashlib.sha256(files.new).hexdigest(),
        frame_log=_frame_log(len(files.new)),
    )
    work, frames = _Work(files), []
    places = [
        Place(start, min(header.frame_size, header.size - start), header.frame_size)
        for start in range(0, header.size, header.frame_size)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for frame in pool.map(work.frame, places):
            frames.append(frame)
            progress(len(frames) / len(places))
    return header.pack() + b"".join(frames)


def _frame_log(size: int) -> int:
    return min(max((size // _FRAMES).bit_length(), SMALLEST), _LARGEST)


@dataclass(frozen=True)
class _Dictionary:
    """What zstd may repeat, and how a frame says which bytes those are."""

    kind: Kind
    said: bytes = b""
    content: bytes = b""


@dataclass
class _Work:
    """Both files, and which stretch of one resembles which of the other."""

    files: Files
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._old = np.frombuffer(self.files.old, np.uint8)
        self._new = np.frombuffer(self.files.new, np.uint8)
        for stretch in stretches(self._old, self._new):
            self.runs.extend(runs_of(stretch, self._new, self._old))
        self._starts = [run.start for run in self.runs]

    def frame(self, place: Place) -> bytes:
        """The smallest of the kinds; the simplest of equals."""
        piece = self.files.new[place.start : place.start + place.size]
        kinds = [(Kind.STORED, piece), *self._planes(place)]
        least = min(len(body) for _, body in kinds)
        for dictionary in self._dictionaries(place):
            if len(self._packed(piece, dictionary.content, _ROUGH)) < _HOPE * least:
                kinds.append(
                    (dictionary.kind, dictionary.said + self._packed(piece, dictionary.content, self.files.level))
                )
        kind, body = min(kinds, key=lambda each: (len(each[1]), each[0]))
        return pack_frame(kind, body)

    def _packed(self, piece: bytes, dictionary: bytes, level: int) -> bytes:
        import zstandard

        window = max(10, (len(piece) + len(dictionary)).bit_length())
        parameters = zstandard.ZstdCompressionParameters.from_level(
            level, source_size=len(piece), dict_size=len(dictionary), window_log=window
        )
        return packed(piece, parameters, dictionary)

    def _dictionaries(self, place: Place) -> Iterator[_Dictionary]:
        """None; and what lies around the place that most of the frame resembles."""
        yield _Dictionary(Kind.PLAIN)
        if not self.files.old:
            return
        near = max(self._within(place), key=lambda run: run.length if run.base is not None else -1)
        middle = place.start + place.size // 2 + (0 if near.base is None else near.base - near.start)
        length = min(place.frame_size, len(self.files.old))
        start = min(max(0, middle - length // 2), len(self.files.old) - length)
        yield _Dictionary(Kind.PATCH, STRETCH.pack(start, length), self.files.old[start : start + length])

    def _planes(self, place: Place) -> Iterator[tuple[Kind, bytes]]:
        within = self._within(place)
        if len(within) > runs.MOST:
            return
        plan = runs.packed(within)
        body = [number(len(plan)), encoded(np.frombuffer(plan, np.uint8), self.files.level)]
        for (width, based), group in runs.grouped(within).items():
            new = np.concatenate([self._new[run.start : run.start + run.length] for run in group])
            base = np.concatenate([self._resembled(run) for run in group]) if based else None
            body.append(planes.pack(new, base, width, self.files.level))
        yield Kind.PLANES, b"".join(body)

    def _resembled(self, run: Run) -> Bytes:
        start = run.base or 0
        return self._old[start : start + run.length]

    def _within(self, place: Place) -> list[Run]:
        first = bisect_right(self._starts, place.start) - 1
        last = bisect_right(self._starts, place.start + place.size - 1)
        return [part for run in self.runs[first:last] for part in run.within(place.start, place.start + place.size)]
