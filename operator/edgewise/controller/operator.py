"""The operator put together: store, queue, reconcilers, workers and servers, started and stopped as one.

handlers.py feeds it with watch events through `router`, and runs it inside the framework.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from edgewise.api.names import GROUP
from edgewise.cluster.census import Census
from edgewise.cluster.client import Client
from edgewise.cluster.errors import ApiError, NotFoundError
from edgewise.cluster.lease import Lease
from edgewise.cluster.resources import DEVICE_PROFILE, EDGE_DEPLOYMENT, EDGE_MODEL
from edgewise.cluster.store import Store
from edgewise.controller.catalogue import apply_catalogue
from edgewise.controller.certificates import Certificates, certificates_for
from edgewise.controller.children import Children
from edgewise.controller.deletions import Deletions
from edgewise.controller.door import Door
from edgewise.controller.events import Recorder
from edgewise.controller.gather import Gatherer
from edgewise.controller.health import Health
from edgewise.controller.holds import Holds
from edgewise.controller.inquiries import Inquiries
from edgewise.controller.keys import Key
from edgewise.controller.metrics import Metrics, WorldCollector
from edgewise.controller.nodes import NodeReconciler
from edgewise.controller.pokes import Poker
from edgewise.controller.prometheus import Prometheus
from edgewise.controller.queue import WorkQueue
from edgewise.controller.reconciler import Effects, Reconciler
from edgewise.controller.reportbook import ReportBook
from edgewise.controller.reports import Desk, Reports, serve_reports
from edgewise.controller.routing import Router
from edgewise.controller.settings import OperatorSettings
from edgewise.controller.status import StatusWriter
from edgewise.controller.tokens import TokenVerifier
from edgewise.controller.workers import Look, work
from edgewise.core import deployment, model, node, profile
from edgewise.core.observed import Settings

_log = logging.getLogger(__name__)
CATALOGUE = Key("Catalogue", "", "")
_CATCH_UP = 5.0  # seconds until the next census when a watch seems to be behind


@dataclass(frozen=True)
class Parts:
    """What exists before the operator does, and outlives it."""

    settings: OperatorSettings
    client: Client
    lease: Lease
    """Held by us."""
    pod_session: aiohttp.ClientSession
    """For requests to devices: it must not carry our credentials."""
    metrics: Metrics
    health: Health


class Operator:
    """One operator process while it leads."""

    def __init__(self, parts: Parts) -> None:
        settings, client = parts.settings, parts.client
        self._parts = parts
        self.stopping = asyncio.Event()
        """Set when it stops, or cannot go on: `failure` says why."""
        self.failure = ""
        self._store = Store()
        self._queue: WorkQueue[Key] = WorkQueue()
        self._book = ReportBook()
        self.router = Router(self._store, self._queue, self._book)
        self._census = Census(client, self._store, settings.watch_namespaces)
        self._certificates: Certificates = certificates_for(settings, client)
        self._inquiries = _inquiries(settings, self._store)
        answers = self._inquiries.answers if self._inquiries is not None else dict
        self._holds = Holds(self._queue)
        self._gatherer = Gatherer(self._store, self._book, self.core_settings, answers, self._holds)
        self._poker = Poker(client, parts.pod_session)
        self._looks = self._reconcilers()
        self._tasks: list[asyncio.Task[None]] = []
        self._servers = AsyncExitStack()

    async def start(self) -> None:
        """Returns at once; work begins when everything has been listed."""
        parts = self._parts
        parts.metrics.leader.set(1)
        parts.metrics.registry.register(WorldCollector(self._store, self._queue))
        parts.health.queue_age = lambda: self._queue.age
        self._spawn("lease", self._keep_lease())
        self._spawn("work", self._work())

    async def stop(self) -> None:
        """Ends everything it started."""
        self.stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._queue.close()
        await self._poker.close()
        await self._servers.aclose()
        self._parts.metrics.leader.set(0)

    def core_settings(self) -> Settings:
        """What decisions may know of the settings."""
        settings = self._parts.settings
        return Settings(
            images=settings.images,
            default_images=settings.default_images,
            allowed_images=settings.allowed_images,
            cache_root=settings.cache_root,
            file_root=settings.file_root,
            report_url=settings.reports_url,
            report_ca=self._certificates.authority,
            everywhere=not settings.watch_namespaces,
            label_grace=settings.label_grace,
            prometheus=self._inquiries is not None,
        )

    async def _work(self) -> None:
        settings = self._parts.settings
        # Plans name the authority that devices trust, so there is no looking at deployments before there is one.
        await self._certificates.ready()
        if settings.catalogue:
            await self._first_catalogue()
        try:
            await self._census.barrier()
        except NotFoundError as error:
            raise RuntimeError(f"this cluster lacks a kind: {error}; install the CRDs of {GROUP} first") from error
        door = Door(settings.reports_port, self._certificates.tls, settings.report_connections)
        await self._servers.enter_async_context(serve_reports(door, Reports(self._desk())))
        self._book.since = time.time()
        self.router.first_look()
        for number in range(settings.workers):
            self._spawn(f"worker {number}", work(self._queue, self._looks, self._parts.metrics))
        self._spawn("census", self._keep_census())
        self._spawn("certificate", self._certificates.keep(self.router.everything))
        if self._inquiries is not None:
            self._spawn("queries", self._inquiries.keep())
        self._parts.health.working = True
        _log.info("working", extra={"workers": settings.workers})

    async def _first_catalogue(self) -> None:
        """Before the first look, lest a deployment begins with half of the profiles; or else as soon as it works."""
        try:
            await apply_catalogue(self._parts.client)
        except ApiError as error:
            _log.warning("catalogue not applied yet", extra={"error": str(error)})
            self._queue.add(CATALOGUE)

    def _desk(self) -> Desk:
        verifier = TokenVerifier(self._parts.client)
        return Desk(verifier, self._store, self._gatherer, self._book, self._queue, self._parts.metrics)

    async def _keep_lease(self) -> None:
        await self._parts.lease.hold()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()  # somebody else may lead by now: not one more write
        self._fail("the lease is lost")

    async def _keep_census(self) -> None:
        pause = self._parts.settings.census_interval
        while True:
            await asyncio.sleep(pause)
            try:
                findings = await self._census.sweep()
            except ApiError as error:
                _log.warning("census failed", extra={"error": str(error)})
                continue
            for record in (record for found in findings for record in found.gone):
                self.router.gone(record)
            missing = sum(len(found.missing) for found in findings)
            self._parts.health.census(missing)
            pause = _CATCH_UP if missing else self._parts.settings.census_interval

    async def _catalogue(self, _: Key) -> None:
        await apply_catalogue(self._parts.client)

    def _reconcilers(self) -> dict[str, Look]:
        client, store, gatherer = self._parts.client, self._store, self._gatherer
        seen = self.router.seen
        effects = Effects(
            client,
            store,
            seen,
            Children(client, store, seen),
            Deletions(client),
            StatusWriter(client, seen),
            Recorder(client, self._parts.settings.identity),
            self._poker,
            self._holds,
        )
        return {
            "EdgeDeployment": Reconciler(EDGE_DEPLOYMENT, gatherer.deployment, deployment.decide, effects),
            "EdgeModel": Reconciler(EDGE_MODEL, gatherer.model, model.decide, effects),
            "DeviceProfile": Reconciler(DEVICE_PROFILE, gatherer.profile, profile.decide, effects),
            "Node": NodeReconciler(effects, gatherer, node.decide),
            "Catalogue": self._catalogue,
        }

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("cannot go on", extra={"task": task.get_name(), "error": str(error)}, exc_info=error)
            self._fail(f"{task.get_name()}: {error}")

    def _fail(self, why: str) -> None:
        self.failure = self.failure or why
        self.stopping.set()


def _inquiries(settings: OperatorSettings, store: Store) -> Inquiries | None:
    """None: the administrator gave nobody to ask."""
    folder = Path(settings.prometheus_credentials) if settings.prometheus_credentials else None
    return Inquiries(store, Prometheus(settings.prometheus_url, folder)) if settings.prometheus_url else None
