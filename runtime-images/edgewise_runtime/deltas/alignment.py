"""Where each stretch of a new file was in the old one, although every number in between may have changed a little.

What did not change (names, shapes, a frozen layer) anchors the rest: a few bytes that occur once in the old file and
again in the new one say how far things have moved. Between two anchors that agree, everything moved as far. Between two
that do not, the border is where most bytes are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgewise_runtime.deltas.streams import Bytes

_ANCHORS = (16, 8)  # bytes; doublings of 1. The end of a long name, or all of a short one
_HABIT = 8
"""Equal bytes more that another shift must bring: to tell of it costs about as many."""
_AFTER = 512
"""Bytes behind an anchor that are looked at, too: of weights that moved a little, many are still equal."""
_PIECE = 2**20
_FILTER_BITS = 25
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, bits well spread: 2^64 / golden ratio

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Stretch:
    """[start, end) of the new file lies at start + shift of the old one; shift None: nowhere."""

    start: int
    end: int
    shift: int | None


def stretches(old: Bytes, new: Bytes) -> list[Stretch]:
    """All of `new`, in order."""
    anchors = _certain(old, new, _anchors(old, new)) or [Stretch(0, 0, 0)]
    first, last = anchors[0], anchors[-1]
    found = [Stretch(0, first.start, first.shift)]
    for before, after in pairwise(anchors):
        found.append(before)
        found.extend(_between(old, new, before, after))
    found += [last, Stretch(last.end, len(new), last.shift)]
    return list(_joined(piece for stretch in found for piece in _inside(stretch, len(old))))


def _anchors(old: Bytes, new: Bytes) -> list[Stretch]:
    """Neighbours of one shift are one, however far apart."""
    found = [_matches(old, new, length) for length in _ANCHORS]
    places, shifts = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.argsort(places, kind="stable")
    places, shifts = places[order], shifts[order]
    if not len(places):
        return []
    borders = np.flatnonzero(np.diff(shifts)) + 1
    starts, ends = np.append(0, borders), np.append(borders, len(places)) - 1
    return [
        Stretch(int(places[start]), int(places[end]) + _ANCHORS[-1], int(shifts[start]))
        for start, end in zip(starts, ends, strict=True)
    ]


def _certain(old: Bytes, new: Bytes, anchors: list[Stretch]) -> list[Stretch]:
    """Without those that say nothing: what repeats itself, such as the names of a graph, is found in many places, and
    where the bytes before it were, or most of the file was, will do as well. Overlaps are given to the first."""
    kept: list[Stretch] = []
    usual = _usual(anchors)
    for anchor in anchors:
        start = max(anchor.start, kept[-1].end if kept else 0)
        if start >= anchor.end:
            continue
        piece = new[anchor.start : anchor.end + _AFTER]
        shifts = [anchor.shift, usual, *(each.shift for each in kept[-1:])]
        equal = [int(_equal(old, piece, anchor.start + (shift or 0)).sum()) for shift in shifts]
        better = [shift for shift, count in zip(shifts, equal, strict=True) if count + _HABIT >= equal[0]]
        kept.append(Stretch(start, anchor.end, better[-1]))
    return kept


def _usual(anchors: list[Stretch]) -> int | None:
    """The shift of most bytes."""
    lengths: dict[int | None, int] = {}
    for anchor in anchors:
        lengths[anchor.shift] = lengths.get(anchor.shift, 0) + anchor.end - anchor.start
    return max(lengths, key=lambda shift: lengths[shift], default=None)


def _between(old: Bytes, new: Bytes, before: Stretch, after: Stretch) -> Iterator[Stretch]:
    start, end = before.end, after.start
    border = end if before.shift == after.shift else start + _border(old, new, before, after)
    yield Stretch(start, border, before.shift)
    yield Stretch(border, end, after.shift)


def _border(old: Bytes, new: Bytes, before: Stretch, after: Stretch) -> int:
    """Bytes after before.end that had better follow `before`."""
    left, right = (
        _equal(old, new[before.end : after.start], before.end + (each.shift or 0)) for each in (before, after)
    )
    gain = np.cumsum(left.astype(np.int64) - right)
    return int(np.argmax(gain)) + 1 if len(gain) and gain.max() > 0 else 0


def _equal(old: Bytes, new: Bytes, at: int) -> NDArray[np.bool_]:
    """Which bytes of `new` are equal to those of `old` from `at` on."""
    equal = np.zeros(len(new), np.bool_)
    low, high = max(0, -at), min(len(new), len(old) - at)
    if low < high:
        equal[low:high] = new[low:high] == old[at + low : at + high]
    return equal


def _inside(stretch: Stretch, size: int) -> Iterator[Stretch]:
    """What of it lies outside of an old file of `size` bytes lies nowhere."""
    start, end, shift = stretch.start, stretch.end, stretch.shift or 0
    low, high = min(max(start, -shift), end), max(min(end, size - shift), start)
    if low >= high:
        yield Stretch(start, end, None)
        return
    yield Stretch(start, low, None)
    yield Stretch(low, high, shift)
    yield Stretch(high, end, None)


def _joined(pieces: Iterator[Stretch]) -> Iterator[Stretch]:
    last: Stretch | None = None
    for piece in pieces:
        if piece.start == piece.end:
            continue
        if last is not None and last.shift == piece.shift:
            last = Stretch(last.start, piece.end, last.shift)
            continue
        if last is not None:
            yield last
        last = piece
    if last is not None:
        yield last


def _matches(old: Bytes, new: Bytes, length: int) -> tuple[Places, Places]:
    """Places of the new file whose `length` bytes are at just one place of the old file, and how far away that is."""
    hashes, where = _remembered(old, length)
    likely = np.zeros(1 << _FILTER_BITS, np.bool_)
    likely[hashes >> np.uint64(64 - _FILTER_BITS)] = True
    places, shifts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start in range(0, max(0, len(new) - length + 1) if len(hashes) else 0, _PIECE):
        found = _hashed(new[start : start + _PIECE + length - 1], length)
        near = np.flatnonzero(likely[found >> np.uint64(64 - _FILTER_BITS)])
        index = np.searchsorted(hashes, found[near])
        index[index == len(hashes)] = 0
        hit = hashes[index] == found[near]
        places.append(near[hit] + start)
        shifts.append(where[index[hit]] - near[hit] - start)
    return np.concatenate(places), np.concatenate(shifts)


def _remembered(old: Bytes, length: int) -> tuple[Hashes, Places]:
    """Hashes that occur once, in order, and where they are."""
    pieces = [_hashed(old[at : at + _PIECE + length - 1], length) for at in range(0, len(old), _PIECE)]
    hashes = np.concatenate(pieces) if pieces else np.empty(0, np.uint64)
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    same = hashes[1:] == hashes[:-1]
    once = ~(np.append(False, same) | np.append(same, False)) if len(hashes) else np.empty(0, np.bool_)
    return hashes[once], order[once]


def _hashed(piece: Bytes, length: int) -> Hashes:
    """Of the `length` bytes that begin at each place: doubled from one byte to two, four, …"""
    hashes, known, factor = piece.astype(np.uint64) + _FACTOR, 1, _FACTOR
    while known < length:
        hashes = hashes[:-known] * factor + hashes[known:] if len(hashes) > known else hashes[:0]
        known, factor = known * 2, np.uint64(int(factor) ** 2 & (2**64 - 1))
    mixed: Hashes = (hashes ^ (hashes >> np.uint64(29))) * _FACTOR
    return mixed
