"""Examples on disk: a file each, within a limit, the least valuable dropped first. Called by spool.py, in its thread.

A file is there whole or not at all (durable.py), its name says what order and age need, and its content must hash to
its name: a start reads a folder, no content, and whatever a power cut tore is found before it is sent. All methods
block.
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
from bisect import bisect_left, insort
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from edgewise_runtime import durable
from edgewise_runtime.spool.example import Loss
from edgewise_runtime.spool.record import SUFFIX, identity

log = logging.getLogger(__name__)

MOST = 20_000  # files: 6 MiB of memory, and a folder that every file system still lists at once
BLOCK = 4096  # bytes that file systems give out at least
_NAME = re.compile(rf"(\d{{1,16}})_(-?\d+(?:\.\d+)?(?:e[+-]\d+)?)_([0-9a-f]{{64}}){re.escape(SUFFIX)}")


@dataclass(frozen=True)
class Limits:
    """Of one spool."""

    size: int
    """Bytes on disk."""
    age: float
    """Seconds."""


@dataclass(frozen=True, order=True)
class Entry:
    """One example. Ordered by worth: the least sure comes first, of those equally sure the newest."""

    confidence: float
    order: int
    """Milliseconds before 1970: the newest first."""
    id: str
    size: int = field(compare=False)

    @property
    def taken(self) -> float:
        """Unix time."""
        return -self.order / 1000

    @property
    def name(self) -> str:
        return f"{-self.order}_{self.confidence:.6g}_{self.id}{SUFFIX}"

    @property
    def cost(self) -> int:
        """Bytes on disk."""
        return -(-self.size // BLOCK) * BLOCK


class Store:
    """Used from one thread; its numbers may be read from any."""

    def __init__(self, folder: Path, limits: Limits, dropped: Callable[[Loss], None]) -> None:
        """`dropped` is told why, for each example that is lost."""
        self.held = 0
        """Bytes on disk."""
        self.failing = False
        """The disk did not take the newest example."""
        self._folder = folder
        self._limits = limits
        self._dropped = dropped
        self._entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def oldest(self) -> float | None:
        """Unix time of the oldest example."""
        return min((entry.taken for entry in list(self._entries)), default=None)

    def open(self) -> None:
        """Take up what is there; what a killed process left unfinished is removed. OSError where the disk is broken."""
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            if path.name.endswith(durable.TEMPORARY):
                path.unlink(missing_ok=True)
            elif found := _NAME.fullmatch(path.name):
                taken, confidence, name = found.groups()
                self._admit(Entry(float(confidence), -int(taken), name, path.stat().st_size))
        self._make_room(0)

    def add(self, data: bytes, taken: float, confidence: float | None) -> None:
        """Keep an example, at the price of less valuable ones, if it is worth that. `confidence`: None counts as 0."""
        entry = Entry(worth(confidence), -round(taken * 1000), identity(data), len(data))
        if self._at(entry) is None:
            reason = self._refusal(entry) or self._written(entry, data)
            if reason:
                self._dropped(reason)

    def best(self, now: float, aside: Collection[str] = ()) -> tuple[Entry, bytes] | None:
        """The most valuable example that is sound, and not `aside`; None where there is none."""
        while entry := next((entry for entry in self._entries if entry.id not in aside), None):
            data = b"" if self._expired(entry, now) else self._read(entry)
            if data and identity(data) == entry.id:
                return entry, data
            self._drop(entry, "corrupt" if not self._expired(entry, now) else "age")
        return None

    def remove(self, entry: Entry) -> None:
        """Forget an example, which may be gone already. After a power cut it may be back: it has the same id then."""
        at = self._at(entry)
        if at is not None:
            del self._entries[at]
            self.held -= entry.cost
        with contextlib.suppress(OSError):
            (self._folder / entry.name).unlink(missing_ok=True)

    def expire(self, now: float) -> None:
        """Drop what is too old."""
        for entry in [entry for entry in self._entries if self._expired(entry, now)]:
            self._drop(entry, "age")

    def _at(self, entry: Entry) -> int | None:
        at = bisect_left(self._entries, entry)
        return at if at < len(self._entries) and self._entries[at] == entry else None

    def _refusal(self, entry: Entry) -> Loss | None:
        """Why not to keep it; None where dropping those worth less makes room."""
        if entry.cost > self._limits.size:
            return "large"
        worse = self._entries[bisect_left(self._entries, entry) :]
        room = self._limits.size - self.held + sum(other.cost for other in worse)
        return None if entry.cost <= room and len(self._entries) - len(worse) < MOST else "full"

    def _written(self, entry: Entry, data: bytes) -> Loss | None:
        """Why it could not be; None: it is kept now."""
        self._make_room(entry.cost)
        try:
            durable.write(self._folder / entry.name, data)
        except OSError as error:
            if not self.failing:  # said once, until it works again: a full disk stays full for a while
                log.warning("hard examples cannot be kept, and are dropped meanwhile", extra={"detail": str(error)})
            self.failing = True
            return "disk"
        self.failing = False
        self._admit(entry)
        return None

    def _make_room(self, need: int) -> None:
        most = MOST - 1 if need else MOST
        while self._entries and (self.held + need > self._limits.size or len(self._entries) > most):
            self._drop(self._entries[-1], "full")

    def _admit(self, entry: Entry) -> None:
        insort(self._entries, entry)
        self.held += entry.cost

    def _drop(self, entry: Entry, reason: Loss) -> None:
        self.remove(entry)
        self._dropped(reason)

    def _read(self, entry: Entry) -> bytes:
        try:
            return (self._folder / entry.name).read_bytes()
        except OSError:
            return b""

    def _expired(self, entry: Entry, now: float) -> bool:
        """Also of an example from the future: then the clock was wrong, and nobody knows how old it is."""
        return abs(now - entry.taken) > self._limits.age


def worth(confidence: float | None) -> float:
    """A confidence as the file's name has it, so that the order survives a restart. What tells nothing counts as 0."""
    if confidence is None or not math.isfinite(confidence):
        return 0.0
    return float(f"{confidence:.6g}")
