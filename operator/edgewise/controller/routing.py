"""Which keys an event concerns. The event itself is dropped at the door: all it says is "look at this object again".

Called by handlers for every watch event, and by the operator for what the census found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from edgewise.api.edgedeployment import EdgeDeployment
from edgewise.cluster.projections import Record
from edgewise.cluster.resources import DAEMON_SET, DEPLOYMENT, DEVICE_PROFILE, EDGE_DEPLOYMENT, EDGE_MODEL, NODE
from edgewise.cluster.store import Store
from edgewise.controller.keys import Key
from edgewise.controller.queue import WorkQueue
from edgewise.controller.reportbook import ReportBook
from edgewise.core import peers

SETTLE = 0.2
"""Seconds from a change of nodes or profiles to the look at all deployments: forty nodes that join are one look."""


Seen = Callable[[Mapping[str, Any]], None]
"""Router.seen, for whoever writes: what the API server answered is known, and routed, before its echo arrives."""


class Router:
    """Puts watch events into the store, and the keys they concern into the queue."""

    def __init__(self, store: Store, queue: WorkQueue[Key], book: ReportBook) -> None:
        self._store = store
        self._queue = queue
        self._book = book

    def seen(self, body: Mapping[str, Any]) -> None:
        """An object that exists, new or not."""
        record = self._store.put(body)
        if record is not None:
            self.changed(record)

    def deleted(self, body: Mapping[str, Any]) -> None:
        """An object that is gone."""
        record = self._store.remove(body)
        if record is not None:
            self.gone(record)

    def gone(self, record: Record) -> None:
        """A record that was taken out of the store."""
        if record.ref.kind == "EdgeDeployment":
            self._book.forget_deployment(record.ref.namespace, record.ref.name)
            self._soon(NODE)  # they may be held for it
        elif record.ref.kind == "Pod":
            self._book.forget_pod(*_pair(record), record.ref.name)
        self.changed(record)

    def changed(self, record: Record) -> None:
        """Enqueues whoever may decide differently now; before everything was listed, nobody can decide anything."""
        if not self._store.complete:
            return
        kind = record.ref.kind
        if kind in ("EdgeDeployment", "EdgeModel", "DeviceProfile", "Node"):
            self._queue.add(Key(kind, record.ref.namespace, record.ref.name))
        if kind == "EdgeDeployment":
            self._those_who_ask_others(record)
        elif kind == "EdgeModel":
            self._deployments_of_model(record)
        elif kind == "DeviceProfile":
            self.everything()
        elif kind == "Node":
            self._soon(EDGE_DEPLOYMENT, DEVICE_PROFILE)
        elif kind == "Pod":
            self._deployment(*_pair(record))
        elif kind == "Event":
            self._deployment_of_workload(*_pair(record))
        elif record.owner is not None and record.owner.kind in ("EdgeDeployment", "EdgeModel"):
            self._queue.add(Key(record.owner.kind, record.ref.namespace, record.owner.name))

    def first_look(self) -> None:
        """Everything once, when all of it has been listed: nodes first, because deployments go by their labels."""
        for resource in (NODE, EDGE_MODEL, DEVICE_PROFILE, EDGE_DEPLOYMENT):
            for record in self._store.shelf(resource).all():
                self._queue.add(Key(resource.kind, record.ref.namespace, record.ref.name))

    def everything(self) -> None:
        """Profiles or settings changed: every deployment and every node, soon. Deployments first: a node that has to be
        held for one is, in the same write as it gets its new profile's label."""
        self._soon(EDGE_DEPLOYMENT, NODE)

    def _soon(self, *resources: Any) -> None:
        for resource in resources:
            for record in self._store.shelf(resource).all():
                self._queue.add_after(Key(resource.kind, record.ref.namespace, record.ref.name), SETTLE)

    def _those_who_ask_others(self, changed: Record) -> None:
        """Of its namespace: it may be asked by them, or by whom they ask."""
        for record in self._store.shelf(EDGE_DEPLOYMENT).group(changed.ref.namespace):
            if isinstance(record.value, EdgeDeployment) and peers.named(record.value):
                self._deployment(record.ref.namespace, record.ref.name)

    def _deployments_of_model(self, model: Record) -> None:
        for record in self._store.shelf(EDGE_DEPLOYMENT).group(model.ref.namespace):
            if _names(record.value, model.ref.name):
                self._deployment(record.ref.namespace, record.ref.name)

    def _deployment_of_workload(self, namespace: str, workload: str) -> None:
        for resource in (DAEMON_SET, DEPLOYMENT):
            record = self._store.shelf(resource).get(namespace, workload)
            if record is not None and record.owner is not None:
                self._deployment(namespace, record.owner.name)

    def _deployment(self, namespace: str, name: str) -> None:
        if self._store.shelf(EDGE_DEPLOYMENT).get(namespace, name) is not None:
            self._queue.add(Key("EdgeDeployment", namespace, name))


def _pair(record: Record) -> tuple[str, str]:
    """Pods and events are grouped by (namespace, name of what they belong to)."""
    assert isinstance(record.group, tuple)  # noqa: S101
    namespace, name = record.group
    return namespace, name


def _names(deployment: Any, model: str) -> bool:
    models: Iterable[Any] = deployment.spec.models if isinstance(deployment, EdgeDeployment) else ()
    return any(reference.name == model for reference in models)
