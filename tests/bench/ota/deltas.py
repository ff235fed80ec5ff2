"""Bytes of deltas against the best of three other ways, change by change; what applying them takes of a device.

What is made is made first, on all cores; time and memory are taken when nothing else runs.
"""

import ctypes
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from edgewise_runtime.deltas.encoding import Files, delta
from tests.bench.figures import Figure, Report
from tests.bench.ota.changes import Change, changes
from tests.bench.ota.rivals import WAYS, Remembered
from tests.cluster.command import run
from tests.cluster.progress import say

ROUNDS = 15
_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
APPLIED = "tests.bench.ota.applied"


@dataclass(frozen=True)
class Laid:
    """A change, on the disk."""

    name: str
    old: Path
    new: Path
    delta: Path


def figures(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        laid = [_laid(Path(folder) / str(number), change) for number, change in enumerate(changes())]
        for figure in _sizes(laid):
            report.add(figure)
        for change in laid:
            for figure in _costs(change):
                report.add(figure)


def _laid(folder: Path, change: Change) -> Laid:
    folder.mkdir()
    laid = Laid(change.name, *(folder / name for name in ("old", "new", "delta")))
    laid.old.write_bytes(change.old)
    laid.new.write_bytes(change.new)
    return laid


def _sizes(laid: list[Laid]) -> Iterator[Figure]:
    """limit: the figure asked for; raw: bytes of each way."""
    known = Remembered()
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), _end_with_the_bench) as pool:
        work = [(change, pool.submit(_made, change), _others(pool, known, change)) for change in laid]
        for number, (change, own, others) in enumerate(work, 1):
            say(f"delta {number} of {len(work)}: {change.name}")
            size, full = own.result(), change.new.stat().st_size
            rivals = {way: _size(known, way, change, other) for way, other in others.items()}
            raw = {name: [float(count)] for name, count in {"full": full, "delta": size, **rivals}.items()}
            best = size / min(rivals.values())
            yield Figure(f"delta, {change.name}: bytes / the best other way", [best], "", limit=1.05, raw=raw)
            yield Figure(f"delta, {change.name}: bytes / the full file", [size / full], "", limit=1.0, raw=raw)


def _end_with_the_bench() -> None:
    """bsdiff4 takes minutes, and looks for no end before it is done."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _others(pool: ProcessPoolExecutor, known: Remembered, change: Laid) -> dict[str, int | Future[int]]:
    sizes = {way: known.get(way, change.old, change.new) for way in WAYS}
    return {way: pool.submit(_taken, way, change) if size is None else size for way, size in sizes.items()}


def _size(known: Remembered, way: str, change: Laid, found: int | Future[int]) -> int:
    if isinstance(found, int):
        return found
    known.put(way, change.old, change.new, found.result())
    return found.result()


def _made(change: Laid) -> int:
    """In a process of its own, as _taken."""
    return change.delta.write_bytes(delta(Files(change.old.read_bytes(), change.new.read_bytes())))


def _taken(way: str, change: Laid) -> int:
    return WAYS[way](change.old.read_bytes(), change.new.read_bytes())


def _costs(change: Laid) -> Iterator[Figure]:
    """Times of one round are of the same seconds, both from the disk."""
    paths = (change.delta, change.old, change.new)
    took = json.loads(run(sys.executable, "-m", APPLIED, *map(str, paths), str(ROUNDS)))
    ratios = [apply / read for apply, read in zip(took["apply"], took["read"], strict=True)]
    times = {"apply": took["apply"], "read": took["read"]}
    memory = [took["memory"] / change.new.stat().st_size]
    yield Figure(f"delta, {change.name}: time to apply / to read and hash the file", ratios, "", limit=2.0, raw=times)
    yield Figure(f"delta, {change.name}: peak memory / the model", memory, "", limit=2.0)
