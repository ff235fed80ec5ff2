"""Is the operator alive, is it at work? Answers /healthz, /readyz and /metrics. Started by main."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

STUCK = 300.0
"""Seconds that a key may wait or be worked on, or that watches may be behind, before we call ourselves ill."""


class Health:
    """Collects signs of life. Healthy until proven otherwise, so that waiting for the Lease is no illness."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._behind_since: float | None = None
        self.queue_age: Callable[[], float] = lambda: 0.0
        self.working = False
        """Leads, has listed everything, and looks at objects: what `helm --wait` waits for."""

    def census(self, missing: int) -> None:
        """How many objects the cluster has that the watches did not bring."""
        if not missing:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = self._clock()

    def problem(self) -> str:
        """Empty when healthy."""
        if self.queue_age() > STUCK:
            return f"the oldest key has waited for {self.queue_age():.0f} s"
        if self._behind_since is not None and self._clock() - self._behind_since > STUCK:
            return "watches have brought nothing of what changed in the cluster"
        return ""


@asynccontextmanager
async def serve_health(port: int, health: Health, registry: CollectorRegistry) -> AsyncIterator[None]:
    """/healthz, /readyz and /metrics, in plain HTTP, while the block runs."""

    async def healthz(_: web.Request) -> web.Response:
        problem = health.problem()
        return web.Response(text=problem or "ok", status=500 if problem else 200)

    async def readyz(_: web.Request) -> web.Response:
        waiting = "waits for the Lease, or for the first listing of everything"
        return web.Response(text="ok" if health.working else waiting, status=200 if health.working else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()
