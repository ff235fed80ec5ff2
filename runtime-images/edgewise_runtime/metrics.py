"""What a Prometheus can see of the runtime, in a registry of its own.

Labels are bounded: models served, targets of the plan. Requests are counted as they end; everything that is a state
(queue, release, models, breakers) is read when it is scraped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

# Seconds. From a quick model on the event loop to a request that waited for help from far away.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

Sample = tuple[tuple[str, ...], float]


class Metrics:
    """One per process. Escalation counts by `result`: answered, worse, timeout, unreachable, refused, invalid,
    unsupported, open (the breaker), budget, late (the deadline had passed), busy, hops,
    error (ours; in the log)."""

    def __init__(self) -> None:
        # Another series for each counter, that nobody reads, over a metered link. Holds for the whole process.
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self._models: set[tuple[str, str]] = set()
        self.requests = Counter(
            "edgewise_requests", "Inference requests answered, by outcome and who answered",
            ["model", "version", "outcome", "source"], registry=self.registry,
        )  # fmt: skip
        self.duration = Histogram(
            "edgewise_request_duration_seconds", "From a request's last byte to its answer, waiting and help included",
            ["model", "version"], registry=self.registry, buckets=_BUCKETS,
        )  # fmt: skip
        self.inference = Histogram(
            "edgewise_inference_duration_seconds", "In the engine alone",
            ["model", "version"], registry=self.registry, buckets=_BUCKETS,
        )  # fmt: skip
        self.escalations = Counter(
            "edgewise_escalations", "Questions to escalation targets, by what came of them",
            ["target", "result"], registry=self.registry,
        )  # fmt: skip
        ProcessCollector(namespace="edgewise", registry=self.registry)

    def watch(self, name: str, text: str, labels: tuple[str, ...], read: Callable[[], Iterable[Sample]]) -> None:
        """A gauge whose samples (label values, number) are read when it is scraped."""
        self.registry.register(_State(name, text, labels, read))

    def forget_models(self, kept: set[tuple[str, str]]) -> None:
        """Drops the series of models that are served no more; `kept`: (name, version).

        Once is not enough: a request that outlived its model's replacement brings a series back."""
        self._models |= kept
        for model, version in self._models - kept:
            for family in (self.requests, self.duration, self.inference):
                family.remove_by_labels({"model": model, "version": version})

    def render(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)


class _State(Collector):
    def __init__(self, name: str, text: str, labels: tuple[str, ...], read: Callable[[], Iterable[Sample]]) -> None:
        self._name, self._text, self._labels, self._read = name, text, labels, read

    def describe(self) -> Iterable[Metric]:
        """Registering must not read yet."""
        return [GaugeMetricFamily(self._name, self._text, labels=self._labels)]

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        for values, number in self._read():
            family.add_metric(values, number)
        yield family
