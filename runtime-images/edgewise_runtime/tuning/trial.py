"""Runs a model on made-up input and takes the time. Called by tuner.py, in the thread that loads models."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from edgewise_runtime.engines.base import Array, Session, TensorSpec
from edgewise_runtime.engines.cores import usable_cores
from edgewise_runtime.protocol.datatypes import BYTES, dtype_of
from edgewise_runtime.tuning.choice import Measurement

SLICE = 0.08  # seconds for one setting: dozens of runs of a small network, and a few at least of any other
_FEWEST, _MOST = 4, 200  # runs; of four, one was disturbed by nobody
_RELATIVE, _ABSOLUTE = 1e-2, 1e-3  # kernels for one row round differently from those for many; FP16 by 1e-3


def measurable(session: Session) -> bool:
    """Whether made-up input says anything: its shape is known but for the batch, and it is not text.

    A detector that takes pictures of any size runs for as long as they are large."""
    return all(spec.datatype != BYTES and all(size >= 0 for size in spec.shape[1:]) for spec in session.inputs)


@dataclass(frozen=True)
class Trial:
    """One loaded session."""

    session: Session
    threads: int
    """Of its engine."""
    deadline: float
    """Monotonic seconds until which there is time for trials."""

    def affords(self, seconds: float) -> bool:
        """Whether there is time left to measure runs that take so long."""
        return time.monotonic() + (_FEWEST + 1) * seconds <= self.deadline

    @property
    def size(self) -> int:
        """Bytes of one row."""
        return sum(array.nbytes for array in self._feeds(1).values())

    def measure(self, rows: int, workers: int) -> Measurement:
        """`workers` runs of so many rows at the same time, for about SLICE. Whatever the engine raises."""
        feeds, names = self._feeds(rows), [spec.name for spec in self.session.outputs]

        def run() -> float:
            started = time.perf_counter()
            self.session.run(feeds, names)
            return time.perf_counter() - started

        cpu = time.process_time()
        times = [run()]  # the first one allocates; it counts only where there is no time for more
        if self.affords(times[0]):
            cpu = time.process_time()
            times = _repeated(run, workers)
        spent = (time.process_time() - cpu) / len(times)
        undisturbed = max(min(times), spent * workers / usable_cores())
        return Measurement(self.threads, workers, rows, undisturbed, spent, statistics.median(times))

    def rows_independent(self) -> bool:
        """Whether three different rows give together what they give one by one: else they must not be gathered."""
        specs = [*self.session.inputs, *self.session.outputs]
        if not all(spec.shape and spec.shape[0] < 0 and min(spec.shape[1:], default=0) >= 0 for spec in specs):
            return False
        feeds, names = self._feeds(3), [spec.name for spec in self.session.outputs]
        together = self.session.run(feeds, names)
        alone = [self.session.run({k: v[row : row + 1] for k, v in feeds.items()}, names) for row in range(3)]
        return all(_same(whole, parts) for whole, parts in zip(together, zip(*alone, strict=True), strict=True))

    def _feeds(self, rows: int) -> dict[str, Array]:
        """The same numbers each time, every row different."""
        random = np.random.default_rng(7)
        return {spec.name: _made_up(spec, rows, random) for spec in self.session.inputs}


def _made_up(spec: TensorSpec, rows: int, random: np.random.Generator) -> Array:
    """Between 0 and 1: that is what pictures become, and an index that every table has."""
    shape = [rows if size < 0 else size for size in spec.shape]
    dtype = dtype_of(spec.datatype)
    return random.random(shape).astype(dtype) if dtype.kind == "f" else random.integers(0, 2, shape).astype(dtype)


def _same(whole: Array, parts: Sequence[Array]) -> bool:
    if whole.ndim == 0 or len(whole) != len(parts) or any(len(part) != 1 for part in parts):
        return False
    joined = np.concatenate(parts)
    if whole.shape != joined.shape:
        return False
    if whole.dtype.kind not in "fc":
        return bool(np.array_equal(whole, joined))
    scale = float(np.nanmax(np.abs(whole.astype(np.float64)), initial=0.0))
    return bool(np.allclose(whole, joined, _RELATIVE, _ABSOLUTE * scale, equal_nan=True))


def _repeated(run: Callable[[], float], workers: int) -> list[float]:
    """Seconds of each run, of all workers."""
    end = time.perf_counter() + SLICE

    def repeat() -> list[float]:
        times = list[float]()
        while len(times) < _FEWEST or (len(times) < _MOST and time.perf_counter() < end):
            times.append(run())
        return times

    if workers == 1:
        return repeat()
    with ThreadPoolExecutor(workers, "trial") as pool:
        jobs = [pool.submit(repeat) for _ in range(workers)]
        return [seconds for job in jobs for seconds in job.result()]
