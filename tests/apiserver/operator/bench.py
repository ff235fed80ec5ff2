"""The operator's parts on a bench: put together as the operator does it, but looking only when a test says so."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

from edgewise.cluster.client import Client, Selection
from edgewise.cluster.resources import EDGE_DEPLOYMENT, NODE, WATCHED, Resource, reference
from edgewise.cluster.store import Store
from edgewise.controller.children import Children
from edgewise.controller.deletions import Deletions
from edgewise.controller.events import Recorder
from edgewise.controller.gather import Gatherer
from edgewise.controller.holds import Holds
from edgewise.controller.keys import Key
from edgewise.controller.pokes import Poker
from edgewise.controller.queue import WorkQueue
from edgewise.controller.reconciler import Effects, Reconciler
from edgewise.controller.reportbook import ReportBook
from edgewise.controller.routing import Router
from edgewise.controller.status import StatusWriter
from edgewise.core.observed import ObjectRef, ObservedDeployment, Settings
from edgewise.core.outcome import Manifest, Plan
from tests.cases.manifests import SMALL_DEPLOYMENT

Decide = Callable[[ObservedDeployment, float], Plan]


class Bench:
    """Store, queue, router and effects around one client."""

    def __init__(self, client: Client, session: aiohttp.ClientSession, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.clock = 0.0
        self.store = Store()
        self.store.complete = True
        self.queue: WorkQueue[Key] = WorkQueue()
        self.book = ReportBook()
        self.router = Router(self.store, self.queue, self.book)
        self.holds = Holds(self.queue)
        self.gatherer = Gatherer(self.store, self.book, Settings, holds=self.holds)
        seen = self.router.seen
        self.effects = Effects(
            client,
            self.store,
            seen,
            Children(client, self.store, seen),
            Deletions(client, lambda: self.clock),
            StatusWriter(client, seen, lambda: self.clock),
            Recorder(client, "bench"),
            Poker(client, session),
            self.holds,
        )

    async def deployment(self, name: str = "digits") -> Key:
        """Makes an EdgeDeployment."""
        await self.client.apply(
            {**SMALL_DEPLOYMENT, "metadata": {"name": name, "namespace": self.namespace}}, "kubectl"
        )
        await self.catch_up()
        return Key("EdgeDeployment", self.namespace, name)

    def reconciler(self, decide: Decide) -> Reconciler[ObservedDeployment]:
        return Reconciler(EDGE_DEPLOYMENT, self.gatherer.deployment, decide, self.effects)

    async def catch_up(self) -> None:
        """What watches would have told by now."""
        for watched in WATCHED:
            await self._catch_up(watched.resource, watched.label_selector)

    async def _catch_up(self, resource: Resource, label_selector: str) -> None:
        shelf, there = self.store.shelf(resource), set()
        namespace = self.namespace if resource.namespaced else ""
        async for body in self.client.list(resource, Selection(namespace, label_selector)):
            self.router.seen(body)
            there.add(body["metadata"]["uid"])
        for name, uid in shelf.names().items():
            if uid not in there and (record := shelf.remove(name, uid)) is not None:
                self.router.gone(record)

    def waiting(self) -> set[Key]:
        """Takes out of the queue what waits there."""
        keys = {self.queue.take() for _ in range(self.queue.depth)}
        for key in keys:
            self.queue.done(key)
        return keys

    async def get(self, kind: str, name: str) -> Manifest:
        versions = {"EdgeDeployment": "edgewise.dev/v1alpha1", "DaemonSet": "apps/v1"}
        return await self.client.get(ObjectRef(versions.get(kind, "v1"), kind, self.namespace, name))

    async def conditions(self, name: str = "digits") -> dict[str, Manifest]:
        """Of an EdgeDeployment, by type."""
        status = (await self.get("EdgeDeployment", name))["status"]
        return {condition["type"]: condition for condition in status["conditions"]}

    async def node(self, name: str, **labels: str) -> ObjectRef:
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        made = reference(await self.client.create(body))
        await self.catch_up()
        assert self.store.shelf(NODE).get("", name) is not None
        return made
