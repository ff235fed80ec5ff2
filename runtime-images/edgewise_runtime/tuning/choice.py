"""How a model shall run on this device: chosen from what was measured, by a rule. Pure; called by tuner.py.

The rule, in its order:
1. A model quick enough for the event loop has one thread: to wake others takes longer than what they could help.
2. A latency that was asked for comes first: thread counts that miss it are out, as long as one meets it.
3. Requests a second: all that come within NEAR of the best are as good as the best.
4. Of those the one that answers a single request soonest, if it does not burn more than THRIFT times the CPU of the
   thriftiest: most devices are asked less than they can answer, and pay for every second of CPU in heat.
5. Requests share a run only where that gains GAIN, and no such run takes longer than STRETCH runs of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgewise.api.base import Model
from edgewise_runtime.scheduling.pace import QUICK

NEAR = 0.97
THRIFT = 1.15
GAIN = 1.1
STRETCH = 8.0
_SHORTEST_WAIT = 0.001  # seconds; an event loop's clock knows nothing shorter


@dataclass(frozen=True)
class Measurement:
    """Runs of one shape under one setting."""

    threads: int
    """Of the engine, for one run."""
    workers: int
    """Runs at the same time."""
    rows: int
    """Of one run; 1: a single request."""
    seconds: float
    """The quickest run: what else happens on the device only ever makes runs longer. Of several at the same time at
    least what their CPU seconds take on the cores there are."""
    cpu: float = 0.0
    """CPU seconds of one run."""
    median: float = 0.0
    """Seconds of a run as it comes."""

    @property
    def throughput(self) -> float:
        """Rows a second."""
        return self.workers * self.rows / self.seconds


class Choice(Model):
    """How a model runs. The defaults are for a model that was not, or could not be, measured."""

    threads: int = 0
    """Of the engine, for one run; 0: one per usable core."""
    workers: int = 0
    """Runs at the same time; 0: as many as the runtime has workers."""
    batch: int = 1
    """Rows of requests that share a run, at most; 1: every request has its own."""
    wait: float = 0.0
    """Seconds a request may wait for others to share its run; those that wait for a worker share it anyway."""
    gain: float = 1.0
    """Seconds that `batch` requests take one by one, over seconds they take together."""
    latency: float | None = None
    """Seconds of a single request's run, nothing else running: the median."""
    fastest: float | None = None
    """The same with the number of threads that answers soonest."""
    throughput: float | None = None
    """Requests a second, with as many as this asks for at the same time."""
    size: int = 0
    """Bytes of the input that was measured."""


def choose(measured: Sequence[Measurement], size: int = 0, max_latency: float | None = None) -> Choice:
    """`size`: bytes of a single request's input. `max_latency`: seconds. Without measurements, the defaults."""
    alone = {m.threads: m for m in measured if m.workers == 1 and m.rows == 1}
    if not alone:
        return Choice()
    allowed = _fast_enough(alone, max_latency)
    best = {threads: _best(m for m in measured if m.threads == threads) for threads in allowed}
    most = max(setting.throughput for setting in best.values())
    near = [threads for threads in allowed if best[threads].throughput >= NEAR * most]
    least = min(alone[threads].cpu for threads in near)
    thrifty = [threads for threads in near if alone[threads].cpu <= THRIFT * least]
    threads = min(thrifty, key=lambda threads: (alone[threads].seconds, threads))
    return _spelled_out(alone[threads], best[threads], measured, size)


def _fast_enough(alone: dict[int, Measurement], max_latency: float | None) -> list[int]:
    if 1 in alone and alone[1].seconds < QUICK:
        return [1]
    meeting = [threads for threads, single in alone.items() if max_latency is None or single.median <= max_latency]
    return meeting or [min(alone, key=lambda threads: alone[threads].median)]


def _best(settings: Iterable[Measurement]) -> Measurement:
    """The least crowded of those with about the most rows a second; with shared runs only where they pay."""
    settings = list(settings)
    singles = [m for m in settings if m.rows == 1]
    plain = _least(singles)
    shared = [m for m in settings if m.rows > 1 and _pays(m, plain, singles)]
    return _least([*shared, plain])


def _pays(shared: Measurement, plain: Measurement, singles: Sequence[Measurement]) -> bool:
    alone = next((m.seconds for m in singles if m.workers == shared.workers), plain.seconds)
    return shared.throughput >= GAIN * plain.throughput and shared.seconds <= STRETCH * alone


def _least(settings: Sequence[Measurement]) -> Measurement:
    most = max(m.throughput for m in settings)
    return min((m for m in settings if m.throughput >= NEAR * most), key=lambda m: (m.rows, m.workers))


def _spelled_out(alone: Measurement, best: Measurement, measured: Sequence[Measurement], size: int) -> Choice:
    counts = {m.workers for m in measured if m.threads == best.threads}
    same = [m for m in measured if (m.threads, m.workers, m.rows) == (best.threads, best.workers, 1)]
    single = same[0].seconds if same else alone.seconds
    gain = best.rows * single / best.seconds if best.rows > 1 else 1.0
    saved = (best.rows * single - best.seconds) / best.rows
    wait = min(saved, best.seconds / 4) if best.rows > 1 else 0.0  # it costs no more than sharing gives back
    return Choice(
        threads=alone.threads,
        workers=best.workers if len(counts) > 1 else 0,
        batch=best.rows,
        wait=wait if wait >= _SHORTEST_WAIT else 0.0,
        gain=gain,
        latency=alone.median,
        fastest=min(m.median for m in measured if m.workers == 1 and m.rows == 1),
        throughput=best.throughput,
        size=size,
    )
