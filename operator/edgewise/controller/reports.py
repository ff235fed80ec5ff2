"""Takes the devices' reports over TLS, and answers with the plan when the device follows an older one.

POST /v1/report with a projected service-account token; contract/report.py is the document. Only the holder of the Lease
runs it. Started by the operator.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import ValidationError

from edgewise.cluster.errors import ApiError
from edgewise.cluster.resources import EDGE_DEPLOYMENT, NODE, POD
from edgewise.cluster.store import Store
from edgewise.contract.report import Report, ReportReply
from edgewise.controller.door import Door
from edgewise.controller.gather import Gatherer
from edgewise.controller.keys import Key
from edgewise.controller.metrics import Metrics
from edgewise.controller.queue import WorkQueue
from edgewise.controller.reportbook import ReportBook
from edgewise.controller.tokens import Device, TokenRefusedError, TokenVerifier

_log = logging.getLogger(__name__)
LARGEST = 64 * 1024
"""Bytes of a report; real ones have a few hundred."""
_READ_WITHIN = 10.0  # seconds for a body to arrive


@dataclass(frozen=True)
class Desk:
    """What the server needs of the operator."""

    verifier: TokenVerifier
    store: Store
    gatherer: Gatherer
    book: ReportBook
    queue: WorkQueue[Key]
    metrics: Metrics
    clock: Callable[[], float] = time.time


class _Refused(Exception):  # noqa: N818  an answer, not a failure of ours
    def __init__(self, status: int, result: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.result = result


class Reports:
    """The request handler."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def post(self, request: web.Request) -> web.Response:
        """200 with a ReportReply; 400, 401, 403, 413 with a sentence; 503 while the operator is starting."""
        try:
            reply = await self._take(request)
        except _Refused as refused:
            self._desk.metrics.reports.labels(refused.result).inc()
            headers = {"Retry-After": "5"} if refused.status == 503 else {}
            return web.json_response({"error": str(refused)}, status=refused.status, headers=headers)
        self._desk.metrics.reports.labels("accepted").inc()
        return web.Response(
            text=reply.model_dump_json(by_alias=True, exclude_none=True), content_type="application/json"
        )

    async def _take(self, request: web.Request) -> ReportReply:
        if not self._desk.store.complete:
            raise _Refused(503, "not_ready", "the operator is starting")
        device = await self._authenticated(request)
        report = await _parsed(request)
        self._authorise(device, report)
        ref = report.deployment
        if self._desk.book.enter(report, self._desk.clock(), self._unready(report.node)):
            self._hand_on(Key("EdgeDeployment", ref.namespace, ref.name))
        plan = self._desk.gatherer.plan(ref.uid)
        return ReportReply(plan=plan if plan is not None and report.sequence < plan.sequence else None)

    def _hand_on(self, key: Key) -> None:
        """There is news of a device."""
        patience = self._desk.book.patience(key.namespace, key.name)
        if patience:
            self._desk.queue.add_after(key, patience)
        else:
            self._desk.queue.add(key)

    def _unready(self, name: str) -> bool:
        node = self._desk.store.shelf(NODE).get("", name)
        return node is not None and not node.value.ready

    async def _authenticated(self, request: web.Request) -> Device:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _Refused(401, "unauthenticated", "send the pod's projected token as Authorization: Bearer")
        try:
            return await self._desk.verifier.verify(token.strip())
        except TokenRefusedError as error:
            raise _Refused(401, "unauthenticated", f"token refused: {error}") from error
        except ApiError as error:
            _log.warning("cannot fetch the cluster's keys", extra={"error": str(error)})
            raise _Refused(503, "not_ready", "the cluster's keys cannot be had; try again") from error

    def _authorise(self, device: Device, report: Report) -> None:
        """A device speaks for its own pod, on its own node, about the deployment that made it."""
        ref = report.deployment
        if (device.namespace, device.pod, device.node) != (ref.namespace, report.pod, report.node):
            raise _Refused(403, "forbidden", "the token belongs to another pod or node than the report speaks of")
        pod = self._desk.store.shelf(POD).get(device.namespace, device.pod)
        if pod is None or pod.ref.uid != device.pod_uid or pod.group != (ref.namespace, ref.name):
            raise _Refused(403, "forbidden", "this pod is no runtime pod of that EdgeDeployment")
        deployment = self._desk.store.shelf(EDGE_DEPLOYMENT).get(ref.namespace, ref.name)
        if deployment is None or deployment.ref.uid != ref.uid:
            raise _Refused(403, "forbidden", "that EdgeDeployment is gone")


async def _parsed(request: web.Request) -> Report:
    try:
        async with asyncio.timeout(_READ_WITHIN):
            return Report.model_validate_json(await request.read())
    except web.HTTPRequestEntityTooLarge as error:
        raise _Refused(413, "invalid", f"a report has at most {LARGEST} bytes") from error
    except TimeoutError as error:
        raise _Refused(408, "invalid", f"the report did not arrive within {_READ_WITHIN:.0f} s") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "report"
        raise _Refused(400, "invalid", f"{place}: {first['msg']}") from error


@asynccontextmanager
async def serve_reports(door: Door, reports: Reports) -> AsyncIterator[None]:
    """Serves while the block runs."""

    @web.middleware
    async def make_room(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if door.crowded:
            response.force_close()
        return response

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application(client_max_size=LARGEST, middlewares=[make_room])
    app.add_routes([web.post("/v1/report", reports.post), web.get("/healthz", healthz)])
    # Short keep-alive, which is how long one may be silent at first, too: a device reports once in five minutes.
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=5.0, shutdown_timeout=1.0)
    await runner.setup()
    try:
        async with door.keep(cast("web.Server", runner.server)):  # there since setup
            yield
    finally:
        await runner.cleanup()
