"""The only module that knows kopf: its watches feed the router, its life cycle starts and stops the operator.

kopf is used as a watcher alone: `on.event` handlers that return nothing write nothing, set no finalizer and leave no
annotation. What to do about an event is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import aiohttp
import kopf
from kopf._core.engines.peering import Identity

from edgewise.api.names import FINALIZER, GROUP
from edgewise.cluster.access import AccessError, find_access
from edgewise.cluster.client import Client
from edgewise.cluster.connection import Connection, connect
from edgewise.cluster.lease import Lease
from edgewise.cluster.resources import WATCHED, Watched
from edgewise.controller import logs
from edgewise.controller.health import Health, serve_health
from edgewise.controller.metrics import Metrics
from edgewise.controller.operator import Operator, Parts
from edgewise.controller.settings import OperatorSettings, read

_log = logging.getLogger(__name__)


def registry_for(operator: Operator, connection: Connection, serving: AsyncExitStack) -> kopf.OperatorRegistry:
    """Watches of every kind, login, and the operator's life; importing this module registers nothing."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        # The session reads a rotated token by itself; kopf logs in anew only when the API server refuses it.
        session = connection.session()
        return kopf.AiohttpSession(
            server=connection.server, default_namespace=connection.namespace, aiohttp_session=session
        )

    @kopf.on.startup(registry=registry)
    async def startup(**_: Any) -> None:
        await operator.start()

    @kopf.on.cleanup(registry=registry)
    async def cleanup(**_: Any) -> None:
        await operator.stop()
        await serving.aclose()  # open connections of a scraper would hold up the exit

    for watched in WATCHED:
        _watch(registry, watched, operator)
    return registry


def _watch(registry: kopf.OperatorRegistry, watched: Watched, operator: Operator) -> None:
    resource = watched.resource

    @kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id=f"watch-{resource.plural}")
    async def seen(event: Mapping[str, Any], **_: Any) -> None:
        body = {**event["object"], "apiVersion": resource.api_version, "kind": resource.kind}
        if event["type"] == "DELETED":
            operator.router.deleted(body)
        else:
            operator.router.seen(body)


class Uncompared(kopf.AnnotationsDiffBaseStorage):
    """kopf would copy the object of each event, twice, to tell what changed in it: of a big fleet's events that is the
    most it costs. The store compares projections."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return {}


def watch_settings() -> kopf.OperatorSettings:
    """kopf as a watcher: no peering, no posting, nothing persisted, and nothing left behind under its own name."""
    settings = kopf.OperatorSettings()
    settings.persistence.finalizer = FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = Uncompared(prefix=GROUP)
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True  # the chart brings the CRDs; watching CRDs and namespaces would need more rights
    settings.execution.max_workers = 1  # all handlers are coroutines
    settings.networking.request_timeout = 30.0
    settings.networking.error_backoffs = (1, 2, 3, 5, 8, 13, 21, 34)
    settings.networking.enforce_retry_after = True
    settings.watching.chunk_size = 500
    settings.process.ultimate_exiting_timeout = 9.0  # seconds; the pod gets 10
    for watched in WATCHED:
        resource = watched.resource
        place = (resource.group, resource.version, resource.plural)
        if watched.label_selector:
            settings.watching.label_selectors[place] = watched.label_selector
        if watched.field_selector:
            settings.watching.field_selectors[place] = watched.field_selector
    return settings


async def run(settings: OperatorSettings) -> str:
    """Waits for the Lease, then works until told to stop. Empty, or why it could not go on."""
    metrics, health = Metrics(), Health()
    async with AsyncExitStack() as stack:
        serving = await stack.enter_async_context(AsyncExitStack())
        await serving.enter_async_context(serve_health(settings.metrics_port, health, metrics.registry))
        connection = await stack.enter_async_context(connect(find_access(os.environ), metrics.observe_request))
        session = await stack.enter_async_context(connection.session())
        pods = await stack.enter_async_context(aiohttp.ClientSession())
        settings = replace(settings, namespace=settings.namespace or connection.namespace)
        client = Client(session, connection.server)
        lease = Lease(client, settings.namespace, settings.lease_name, settings.identity)
        await lease.acquire()
        operator = Operator(Parts(settings, client, lease, pods, metrics, health))
        try:
            await kopf.operator(
                registry=registry_for(operator, connection, serving),
                settings=watch_settings(),
                clusterwide=not settings.watch_namespaces,
                namespaces=settings.watch_namespaces,
                identity=Identity(settings.identity),  # else kopf looks up a user name, which a pod's uid has not
                stop_flag=operator.stopping,
            )
        finally:
            await lease.release()
        return operator.failure


async def _until_told(settings: OperatorSettings) -> str:
    """Like `run`; a signal that comes before kopf takes over signals ends it too."""
    task = asyncio.create_task(run(settings))
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return ""


def main() -> None:
    """The program `edgewise-operator`. Exit status 1 when it could not go on."""
    settings = read()
    logs.configure(settings.log_level)
    try:
        failure = asyncio.run(_until_told(settings))
    except AccessError as error:
        failure = str(error)
    if failure:
        _log.critical("stopped", extra={"why": failure})
        sys.exit(1)


if __name__ == "__main__":
    main()
