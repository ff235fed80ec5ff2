"""What a Prometheus can see of the runtime.

Labels are bounded: models served, targets of the plan, the first few hundred clients. Requests are counted as they end;
everything that is a state (queue, release, models, breakers) is read when it is scraped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from edgewise_runtime.series import Counter, Gauge, Histogram, Labels, Sample, Summary

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

# Seconds. From a quick model on the event loop to a request that waited for help from far away.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_ROWS = (1, 2, 4, 8, 16, 32, 64)
_MODEL = ("model", "version")


class Metrics:
    """One per process, used from the event loop only.

    Escalation counts by `result`. Of a target: answered, timeout, unreachable, refused, rejected, invalid,
    unconfigured, open (the breaker), late (the deadline had passed), budget (not another one), error (ours; in the
    log). With no target, requests that nobody was asked about: budget, busy, hops."""

    def __init__(self) -> None:
        self._families: list[Counter | Histogram | Gauge | Summary] = []
        self._models: set[tuple[str, str]] = set()
        self._registry: CollectorRegistry | None = None
        self.requests = self._counter(
            "requests", "Inference requests answered, by outcome and who answered", (*_MODEL, "outcome", "source")
        )
        self.duration = self._histogram(
            "request_duration_seconds", "From a request's last byte to its answer, waiting and help included", _BUCKETS
        )
        self.inference = self._histogram("inference_duration_seconds", "In the engine alone", _BUCKETS)
        self.queue_wait = self._histogram(
            "queue_wait_seconds", "From a request's place in the queue to its run; 0 for a free worker's", _BUCKETS
        )
        self.batch_rows = self._histogram(
            "batch_rows", "Rows of one run in a worker, of all requests that share it", _ROWS
        )
        self.escalations = self._counter(
            "escalations", "Questions to escalation targets, by what came of them", ("target", "result")
        )
        self.help_duration = self._histogram(
            "escalation_duration_seconds",
            "From a question to its answer, of those that were answered",
            _BUCKETS,
            ("target",),
        )
        self.admissions = self._counter(
            "admissions", "Requests at a door with tokens, certificates or a rate, by who asked and what came of it",
            ("client", "result"),
        )  # fmt: skip
        self.spool_dropped = self._counter("spool_dropped", "Hard examples that were lost, by why", ("reason",))
        self.spool_sent = self._counter("spool_sent", "Hard examples sent, by what the sink made of them", ("result",))
        self.deltas = self._counter(
            "deltas", "Deltas and compressed copies of model files, by what came of them", ("result",)
        )

    def admitted(self, client: str, result: str) -> None:
        """Told by Access of each request at its door."""
        self.admissions.labels(client, result).inc()

    def delta_ended(self, result: str) -> None:
        """Told by the agent of each that it tried: applied, or why the next way was taken."""
        self.deltas.labels(result).inc()

    def watch(self, name: str, text: str, labels: Labels, read: Callable[[], Iterable[Sample]]) -> None:
        """A gauge whose samples (label values, number) are read when it is scraped."""
        self._families.append(Gauge(name, text, labels, read))

    def sum_up(
        self, name: str, text: str, labels: Labels, read: Callable[[], Iterable[tuple[Labels, int, float]]]
    ) -> None:
        """Counts and sums (label values, count, sum) that are read when they are scraped."""
        self._families.append(Summary(name, text, labels, read))

    def forget_models(self, kept: set[tuple[str, str]]) -> None:
        """Drops the series of models that are served no more; `kept`: (name, version).

        Once is not enough: a request that outlived its model's replacement brings a series back."""
        self._models |= kept
        for model, version in self._models - kept:
            for family in self._families:
                if isinstance(family, (Counter, Histogram)) and family.names[:2] == _MODEL:
                    family.forget((model, version))

    async def render(self) -> bytes:
        """In Prometheus' text format."""
        if self._registry is None:
            self._registry = await asyncio.to_thread(self._exposed)
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client for each scrape."""
        for family in self._families:
            yield family.metric()

    def _exposed(self) -> CollectorRegistry:
        """Blocking: the import takes a slow device a good part of a second."""
        from prometheus_client import CollectorRegistry, ProcessCollector

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        ProcessCollector(namespace="edgewise", registry=registry)
        return registry

    def _counter(self, name: str, text: str, labels: Labels) -> Counter:
        counter = Counter(f"edgewise_{name}", text, labels)
        self._families.append(counter)
        return counter

    def _histogram(self, name: str, text: str, bounds: tuple[float, ...], labels: Labels = _MODEL) -> Histogram:
        histogram = Histogram(f"edgewise_{name}", text, labels, bounds)
        self._families.append(histogram)
        return histogram
