"""Opens a model the way it runs best on this device: as it was found out before, or by trying, for two seconds at most.

Called by agent/loading.py and laptop.py, in the thread that loads models. What is tried are the engine's threads, runs
at the same time and requests that share a run; choice.py chooses. Nothing here keeps a model from being served: where
trying fails, it runs by the defaults.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from edgewise_runtime.engines.base import EngineOptions, ModelLoadError, Session, on_cpu
from edgewise_runtime.engines.cores import usable_cores
from edgewise_runtime.scheduling.pace import QUICK
from edgewise_runtime.tuning.choice import STRETCH, Choice, Measurement, choose
from edgewise_runtime.tuning.notebook import Notebook, Page
from edgewise_runtime.tuning.trial import Trial, measurable

log = logging.getLogger(__name__)

MAX_BATCH = 32  # rows of a shared run where the profile's limits.maxBatchSize says nothing
_LARGE_INPUT = 64 * 2**20  # bytes of a shared run's input that a small device can spare
GROWTH = 1.05  # more rows a second, or twice the batch is not worth its time

Load = Callable[[EngineOptions], Session]


@dataclass(frozen=True)
class Subject:
    """What is to be opened, and what is wished of it."""

    model: str
    """Its content: sha256 and format."""
    options: EngineOptions
    max_batch: int = MAX_BATCH
    max_latency: float | None = None
    """Seconds one request should take at most."""

    @property
    def name(self) -> str:
        """Of its page in the notebook."""
        return repr(self)


class Tuner:
    """`budget`: seconds for one model; 0: nothing is tried. No notebook: nothing is remembered."""

    def __init__(self, notebook: Notebook | None = None, budget: float = 2.0) -> None:
        self._notebook = notebook
        self._budget = budget

    def open(self, load: Load, subject: Subject) -> tuple[Session, Choice]:
        """Blocking. ModelLoadError where the model cannot be loaded."""
        if self._notebook is not None and (page := self._notebook.read(subject.name)) is not None:
            session = load(replace(subject.options, threads=page.choice.threads))
            if session.provider == page.provider:
                return session, page.choice
            session.close()  # an accelerator has come or gone since: another device, so to speak
        session, choice = _Trials(load, subject, time.monotonic() + self._budget).run()
        if self._notebook is not None and choice.latency is not None:
            self._notebook.write(subject.name, Page(provider=session.provider, choice=choice))
        return session, choice


class _Trials:
    """One model, tried out. At no time more than one copy of it is loaded by this."""

    def __init__(self, load: Load, subject: Subject, deadline: float) -> None:
        self._load = load
        self._subject = subject
        self._deadline = deadline
        self._measured: list[Measurement] = []
        self._loading = 0.0  # seconds the model takes to load

    def run(self) -> tuple[Session, Choice]:
        began = time.monotonic()
        trial = self._opened(self._subject.options.threads or usable_cores())
        self._loading = time.monotonic() - began
        size = 0
        if self._left() > 0 and measurable(trial.session):
            size = trial.size
            self._try(trial)
            for threads in self._others(trial):
                trial = self._with(threads, trial)
                if trial.threads == threads:
                    self._try(trial)
        choice = choose(self._measured, size, self._subject.max_latency)
        if choice.threads not in (0, trial.threads):
            trial = self._with(choice.threads, trial)
        return trial.session, choice

    def _opened(self, threads: int) -> Trial:
        return Trial(self._load(replace(self._subject.options, threads=threads)), threads, self._deadline)

    def _with(self, threads: int, trial: Trial) -> Trial:
        """`trial` anew, with so many threads; as it was where that does not load."""
        trial.session.close()
        try:
            return self._opened(threads)
        except ModelLoadError as error:
            log.warning("the model loads only once, or not with so many threads", extra={"detail": str(error)})
            return self._opened(trial.threads)

    def _others(self, first: Trial) -> Iterator[int]:
        """Numbers of threads that are worth another load: one is thriftiest, those between come last."""
        pinned = bool(self._subject.options.threads) or not on_cpu(first.session.provider)
        if pinned or first.threads == 1 or not self._measured or self._left() < self._loading:
            return
        yield 1
        between = first.threads // 2
        while between > 1 and self._measured[0].seconds >= QUICK and self._left() > 2 * self._loading:
            yield between
            between //= 2

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _try(self, trial: Trial) -> None:
        """What an engine throws ends it: the model is served by what is known then."""
        try:
            for result in self._results(trial):
                self._measured.append(result)  # each counts, whatever becomes of the next
        except Exception as error:  # noqa: BLE001
            log.info("the model could not be tried out any further", extra={"detail": str(error)})

    def _results(self, trial: Trial) -> Iterator[Measurement]:
        alone = trial.measure(rows=1, workers=1)
        yield alone
        if alone.seconds < QUICK:  # runs on the event loop, one at a time
            return
        workers = max(2, usable_cores() // trial.threads)
        plain = alone
        if trial.affords(workers * alone.seconds):
            plain = trial.measure(rows=1, workers=workers)
            yield plain
        if self._subject.max_batch > 1 and trial.affords(4 * alone.seconds) and trial.rows_independent():
            yield from self._shared(trial, plain)

    def _shared(self, trial: Trial, plain: Measurement) -> Iterator[Measurement]:
        """Larger and larger batches, until two in a row have gained nothing over those before."""
        most = min(self._subject.max_batch, max(1, _LARGE_INPUT // max(1, trial.size)))
        best, rows, in_vain = plain.throughput, min(4, most), 0
        while rows > 1 and in_vain < 2 and trial.affords(rows * plain.seconds):
            shared = trial.measure(rows, plain.workers)
            yield shared
            in_vain = in_vain + 1 if shared.throughput < GROWTH * best else 0
            if rows >= most or shared.seconds > STRETCH * plain.seconds:
                return
            best, rows = max(best, shared.throughput), min(2 * rows, most)
