"""Whether the tuner finds the best there is, and what sharing runs costs a model that gains nothing by it.

`tuned` and `batching` are figures of `make bench-serving`. Everything goes through Dispatch, as requests do, without a
network: what is compared is how the same model runs.
"""

import asyncio
import contextlib
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from edgewise_runtime import engines
from edgewise_runtime.engines.base import Array, EngineOptions, Session
from edgewise_runtime.engines.cores import usable_cores
from edgewise_runtime.metrics import Metrics
from edgewise_runtime.models import ServedModel
from edgewise_runtime.scheduling.dispatch import Dispatch
from edgewise_runtime.statistics import Statistics
from edgewise_runtime.tuning.choice import Choice
from edgewise_runtime.tuning.tuner import Subject, Tuner
from tests.bench.figures import Figure, Report
from tests.bench.serving import models
from tests.bench.serving.processes import USABLE
from tests.runtime import tinyonnx

ROUNDS = 5
SECONDS = 0.6  # of each setting, each round
CLIENTS = 32  # that ask again as soon as they are answered
BATCHES = (1, 4, 8, 16, 32)


@dataclass
class Subjects:
    """A model file, and one request for it."""

    name: str
    path: Path
    feeds: dict[str, Array]
    output: str
    any_rows: bool
    """Whether the model takes more than one row."""

    def load(self, options: EngineOptions) -> Session:
        return engines.load(self.path, "ONNX", options)

    def tuned(self) -> Choice:
        session, choice = Tuner().open(self.load, Subject(self.name, EngineOptions()))
        session.close()
        return choice


@contextlib.contextmanager
def _on_all_cores() -> Iterator[None]:
    """The other figures keep this process to the client's core; here it is the device."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, USABLE)
    yield
    os.sched_setaffinity(0, before)


@_on_all_cores()
def tuned(report: Report) -> None:
    """Against every number of threads, of runs at a time and of rows in a shared run."""
    for subject in _subjects():
        choice = subject.tuned()
        batches = BATCHES if subject.any_rows else BATCHES[:1]
        grid = [_choice(*setting) for setting in itertools.product(_threads(), _threads(), batches)]
        rates = _rates(subject, [choice, *grid])
        best = max(range(1, len(rates)), key=lambda at: float(np.median(rates[at])))
        ratios = [own / other for own, other in zip(rates[0], rates[best], strict=True)]
        report.settings[f"tuned, {subject.name}"] = _shown(choice)
        report.settings[f"best of {len(grid)}, {subject.name}"] = _shown(grid[best - 1])
        raw = {"tuned": rates[0], "best": rates[best]}
        name = f"tuned throughput / best of a full grid ({subject.name})"
        report.add(Figure(name, ratios, "x", "more", 0.95, raw=raw))


@_on_all_cores()
def batching(report: Report) -> None:
    """The same device with `batching: Auto` and `Off`: a model that gains nothing, and one that does."""
    for subject, limit in zip(_subjects(), (0.98, None), strict=True):
        choice = subject.tuned()
        on, off = _rates(subject, [choice, choice], batching=[True, False])
        ratios = [one / other for one, other in zip(on, off, strict=True)]
        name = f"throughput, batching on / off ({subject.name})"
        report.add(Figure(name, ratios, "x", "more", limit, raw={"on": on, "off": off}))


def _subjects() -> Iterable[Subjects]:
    cnn = models.cnn()
    yield Subjects("CNN", cnn.path, {cnn.input: cnn.sample()}, cnn.output, any_rows=False)
    folder = Path(tempfile.mkdtemp(prefix="edgewise-bench-"))
    row = np.random.default_rng(1).standard_normal((1, 2048)).astype(np.float32)
    yield Subjects("dense layers, 64 MiB", tinyonnx.dense(folder), {"x": row}, "y", any_rows=True)


def _threads() -> list[int]:
    """1, 2, 4 … up to the cores there are."""
    return [2**power for power in range(usable_cores().bit_length()) if 2**power <= usable_cores()]


def _choice(threads: int, workers: int, batch: int) -> Choice:
    return Choice(threads=threads, workers=workers, batch=batch, gain=float(batch), latency=0.005)


def _rates(subject: Subjects, choices: list[Choice], batching: list[bool] | None = None) -> list[list[float]]:
    """Requests a second of each setting, round by round; another one begins each round."""
    sessions = {threads: subject.load(EngineOptions(threads=threads)) for threads in {c.threads for c in choices}}
    rates: list[list[float]] = [[] for _ in choices]
    for turn in range(ROUNDS):
        for step in range(len(choices)):
            at = (turn + step) % len(choices)
            served = ServedModel(subject.name, "1", "bench", sessions[choices[at].threads], choice=choices[at])
            ask = partial(_saturated, served, subject, batching[at] if batching else True)
            rates[at].append(asyncio.run(ask()))
    for session in sessions.values():
        session.close()
    return rates


async def _saturated(served: ServedModel, subject: Subjects, batching: bool) -> float:
    dispatch = Dispatch(usable_cores(), 2 * CLIENTS, Metrics(), Statistics())
    dispatch.batching = batching
    size = sum(array.nbytes for array in subject.feeds.values())
    began, answered = time.perf_counter(), 0

    async def client() -> None:
        nonlocal answered
        while time.perf_counter() - began < SECONDS:
            await dispatch.run(served, subject.feeds, [subject.output], size)
            answered += 1

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    dispatch.close()
    return answered / (time.perf_counter() - began)


def _shown(choice: Choice) -> str:
    return (
        f"{choice.threads} threads, {choice.workers} at a time, {choice.batch} rows, wait {choice.wait * 1000:.1f} ms"
    )


FIGURES: dict[str, Callable[[Report], None]] = {"tuned": tuned, "batching": batching}


if __name__ == "__main__":
    whole = Report("scheduling")
    for measure in FIGURES.values():
        measure(whole)
    whole.write(Path("build/bench/partial"))
