"""Counters and histograms as cheap as an addition: each request comes past half a dozen of them. Used by metrics.py.

They take no lock: one thread adds to them, the event loop's. What they hold leaves through prometheus_client, which is
imported for the first scrape and not before: a device that nobody scrapes saves its 9 MiB.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Labels = tuple[str, ...]
Sample = tuple[Labels, float]
"""Label values and a number."""


class Count:
    """One series of a counter."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        self.value += amount


class Distribution:
    """One series of a histogram."""

    __slots__ = ("_bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Observations up to each bound and above the one before; the last: above all."""
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.sum += value


S = TypeVar("S", Count, Distribution)


@dataclass
class _Family(Generic[S]):
    """Series of one name, by the values of its labels."""

    name: str
    text: str
    names: Labels

    def __post_init__(self) -> None:
        self.series: dict[Labels, S] = {}

    def labels(self, *values: str) -> S:
        """Made on first use. May be kept as long as its labels are wanted: see `forget`."""
        found = self.series.get(values)
        if found is None:
            found = self.series[values] = self._new()
        return found

    def forget(self, first: Labels) -> None:
        """Drops the series whose labels begin with `first`."""
        for labels in [labels for labels in self.series if labels[: len(first)] == first]:
            del self.series[labels]

    def _new(self) -> S:
        raise NotImplementedError


class Counter(_Family[Count]):
    """Samples are called `<name>_total`."""

    def _new(self) -> Count:
        return Count()

    def metric(self) -> Metric:
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(self.name, self.text, labels=self.names)
        for labels, series in self.series.items():
            family.add_metric(labels, series.value)
        return family


@dataclass
class Histogram(_Family[Distribution]):
    """Samples are called `<name>_bucket`, `<name>_sum`, `<name>_count`."""

    bounds: Sequence[float]

    def _new(self) -> Distribution:
        return Distribution(self.bounds)

    def metric(self) -> Metric:
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(self.name, self.text, labels=self.names)
        bounds = [*map(str, self.bounds), "+Inf"]
        for labels, series in self.series.items():
            buckets = list(zip(bounds, accumulate(series.counts), strict=True))
            family.add_metric(labels, buckets, series.sum)
        return family


@dataclass
class Gauge:
    """A state."""

    name: str
    text: str
    names: Labels
    read: Callable[[], Iterable[Sample]]
    """Called when it is scraped."""

    def metric(self) -> Metric:
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily(self.name, self.text, labels=self.names)
        for labels, number in self.read():
            family.add_metric(labels, number)
        return family


@dataclass
class Summary:
    """Counts and sums that somebody else keeps. Samples are called `<name>_count` and `<name>_sum`."""

    name: str
    text: str
    names: Labels
    read: Callable[[], Iterable[tuple[Labels, int, float]]]
    """(label values, count, sum) of each; called when it is scraped."""

    def metric(self) -> Metric:
        from prometheus_client.core import SummaryMetricFamily

        family = SummaryMetricFamily(self.name, self.text, labels=self.names)
        for labels, count, total in self.read():
            family.add_metric(labels, count, total)
        return family
