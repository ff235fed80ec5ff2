"""Servers in a Prometheus' place, for what a real one does not do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from tests.cluster.ports import free_port

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    """Whatever is asked, the handler answers; the address."""
    app, port = web.Application(), free_port()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def number(value: float) -> web.Response:
    """As a Prometheus answers."""
    return web.json_response({"status": "success", "data": {"resultType": "scalar", "result": [0, str(value)]}})
