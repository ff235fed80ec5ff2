"""What the operator counts. Names begin with edgewise_; every label has few values, or is bounded here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from time import monotonic

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from edgewise.api.edgedeployment import EdgeDeployment, NodeCounts
from edgewise.cluster.resources import EDGE_DEPLOYMENT, NODE
from edgewise.cluster.store import Store
from edgewise.controller.keys import Key
from edgewise.controller.queue import WorkQueue

MOST_DEPLOYMENTS = 500
"""Deployments that have gauges of their own, the first by name: a bound on what Prometheus has to keep."""


class Metrics:
    """Counters and histograms, written to where things happen."""

    def __init__(self) -> None:
        # Another series for each counter, that nobody reads. Holds for the whole process.
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self.reconciles = Counter(
            "edgewise_operator_reconcile", "Looks at an object.", ["kind", "outcome"], registry=self.registry
        )
        self.seconds = Histogram(
            "edgewise_operator_reconcile_duration_seconds",
            "Time of one look, API calls included.",
            ["kind"],
            buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0),
            registry=self.registry,
        )
        self.requests = Counter(
            "edgewise_operator_api_requests",
            "Requests to the API server, watches included; code 0: no answer.",
            ["verb", "code"],
            registry=self.registry,
        )
        self.reports = Counter(
            "edgewise_operator_reports",
            "Reports of devices, by what became of them.",
            ["result"],
            registry=self.registry,
        )
        self.leader = Gauge("edgewise_operator_leader", "1 while this process holds the Lease.", registry=self.registry)
        build = Gauge("edgewise_operator_build_info", "Version of the operator.", ["version"], registry=self.registry)
        build.labels(version("edgewise")).set(1)

    def observe_request(self, method: str, status: int) -> None:
        """For cluster.connection."""
        self.requests.labels(method.lower(), str(status)).inc()

    @contextmanager
    def look(self, key: Key) -> Iterator[None]:
        """Times one reconcile, and counts how it ended."""
        began, outcome = monotonic(), "error"
        try:
            yield
            outcome = "success"
        finally:
            self.seconds.labels(key.kind).observe(monotonic() - began)
            self.reconciles.labels(key.kind, outcome).inc()


class WorldCollector(Collector):
    """Gauges read at scrape time from what there is, so that nothing has to be kept in step."""

    def __init__(self, store: Store, queue: WorkQueue[Key]) -> None:
        self._store = store
        self._queue = queue

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All gauges of one scrape."""
        yield _gauge("edgewise_operator_queue_depth", "Keys that wait for a worker.", self._queue.depth)
        yield _gauge("edgewise_operator_queue_age_seconds", "How long the oldest has waited.", self._queue.age)
        nodes = [record.value for record in self._store.shelf(NODE).all()]
        yield _gauge("edgewise_nodes", "Nodes of the cluster.", len(nodes))
        yield _gauge("edgewise_nodes_offline", "Nodes that are not Ready.", sum(not node.ready for node in nodes))
        deployments = [record.value for record in self._store.shelf(EDGE_DEPLOYMENT).all()]
        yield _gauge("edgewise_deployments", "EdgeDeployments.", len(deployments))
        readable = [value for value in deployments if isinstance(value, EdgeDeployment)][:MOST_DEPLOYMENTS]
        yield _per_deployment(readable)
        yield _gateways(readable)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _per_deployment(deployments: list[EdgeDeployment]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "edgewise_deployment_nodes",
        f"Nodes of an EdgeDeployment by state; the first {MOST_DEPLOYMENTS} deployments by name.",
        labels=["namespace", "deployment", "state"],
    )
    for deployment in deployments:
        meta, counts = deployment.metadata, deployment.status.nodes or NodeCounts()
        for state, count in counts.model_dump().items():
            family.add_metric([meta.namespace, meta.name, state], count)
    return family


def _gateways(deployments: list[EdgeDeployment]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "edgewise_deployment_served_by_gateway",
        "1 while the Service of an EdgeDeployment leads to its gateway, 0 while it leads to the devices.",
        labels=["namespace", "deployment"],
    )
    for deployment in deployments:
        if (served_by := deployment.status.served_by) is not None:
            family.add_metric([deployment.metadata.namespace, deployment.metadata.name], float(served_by == "Gateway"))
    return family
