"""Which stretch of the base each stretch of the new file resembles, and what its numbers are: the plan of a frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edgewise_runtime.deltas.container import DeltaError
from edgewise_runtime.deltas.planes import WIDTHS
from edgewise_runtime.deltas.streams import Reader, number

MOST = 2**16
"""Runs of one frame: each costs a device a step of Python."""
MOST_BYTES = 16 * MOST


@dataclass(frozen=True)
class Run:
    """`length` bytes from `start` of the new file on, in numbers of `width` bytes, the first of them at `start`."""

    start: int
    length: int
    width: int
    base: int | None
    """Where in the base what it resembles begins; None: it resembles nothing."""

    @property
    def group(self) -> tuple[int, bool]:
        """Runs of one group are coded together."""
        return self.width, self.base is not None

    def part(self, start: int, end: int, width: int) -> Run:
        base = None if self.base is None else self.base + start - self.start
        return Run(start, end - start, width, base)

    def within(self, start: int, end: int) -> Iterator[Run]:
        """What lies in [start, end): whole numbers, and what a border cuts of one as bytes."""
        first, last = max(self.start, start), min(self.start + self.length, end)
        if first >= last:
            return
        from_, to = _up(first - self.start, self.width), _down(last - self.start, self.width)
        from_, to = min(self.start + from_, last), max(self.start + to, first)
        cuts = ((first, from_, 1), (from_, to, self.width), (max(from_, to), last, 1))
        yield from (self.part(a, b, width) for a, b, width in cuts if a < b)


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def _down(value: int, unit: int) -> int:
    return value // unit * unit


def packed(runs: Sequence[Run]) -> bytes:
    """Lengths, widths, and how far the base is shifted against the new file, where that changes."""
    out, shift = [number(len(runs))], 0
    for run in runs:
        based = run.base is not None
        out.append(number(run.length << 3 | WIDTHS.index(run.width) << 1 | based))
        if run.base is not None:
            moved, shift = run.base - run.start - shift, run.base - run.start
            out.append(number(moved << 1 if moved >= 0 else ~moved << 1 | 1))
    return b"".join(out)


def unpacked(body: bytes, start: int, size: int, base_size: int) -> list[Run]:
    """The runs that make [start, start + size). DeltaError where they make anything else, or leave the base."""
    reader, runs, at, shift = Reader(body), [], start, 0
    count = reader.number()
    if count > MOST:
        raise DeltaError("corrupt", f"a frame of the delta has {count} runs; at most {MOST} are taken")
    for _ in range(count):
        said = reader.number()
        length, width, base = said >> 3, said >> 1 & 3, None
        if said & 1:
            moved = reader.number()
            shift += ~(moved >> 1) if moved & 1 else moved >> 1
            base = at + shift
        runs.append(_checked(at, length, width, base, base_size))
        at += length
    reader.end()
    if at != start + size:
        raise DeltaError("corrupt", "a frame of the delta makes another number of bytes than belongs there")
    return runs


def _checked(at: int, length: int, width: int, base: int | None, base_size: int) -> Run:
    if width >= len(WIDTHS) or length % WIDTHS[width]:
        raise DeltaError("corrupt", "a run of the delta is not made of whole numbers")
    if base is not None and not 0 <= base <= base_size - length:
        raise DeltaError("corrupt", "a run of the delta leaves the base")
    return Run(at, length, WIDTHS[width], base)


def grouped(runs: Iterable[Run]) -> dict[tuple[int, bool], list[Run]]:
    """By group, in an order that both sides know."""
    groups: dict[tuple[int, bool], list[Run]] = {}
    for run in runs:
        groups.setdefault(run.group, []).append(run)
    return dict(sorted(groups.items()))
