"""The second port: /metrics for Prometheus, /healthz for the kubelet, POST /poke for the operator."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from edgewise_runtime.metrics import Metrics

_POKE_SECONDS = 1.0  # a poke only says "report now": a flood of them must not become a flood of reports


class Monitoring:
    """`on_poke` is called at most once a second; whoever pokes learns nothing and commands nothing."""

    def __init__(self, metrics: Metrics) -> None:
        self.on_poke: Callable[[], None] | None = None
        self._metrics = metrics
        self._next_poke = 0.0

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._scrape),
                web.get("/healthz", self._health),
                web.post("/poke", self._poke),
            ]
        )
        return app

    async def _scrape(self, _: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._metrics.render(), headers=headers)

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _poke(self, request: web.Request) -> web.Response:
        if request.can_read_body:
            return web.Response(status=400, text="a poke has no body\n")
        now = time.monotonic()
        if now < self._next_poke:
            return web.Response(status=429, headers={"Retry-After": "1"})
        self._next_poke = now + _POKE_SECONDS
        if self.on_poke is not None:
            self.on_poke()
        return web.Response(status=204)
