"""A small web server that takes training data: what somebody would write in an afternoon. Real HTTP on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Collector:
    """`examples` by name: what it has. `new` and `asked` count by name: stored for the first time, and PUTs at all."""

    url: str = ""
    examples: dict[str, bytes] = field(default_factory=dict)
    new: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    """Of each PUT."""
    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers; those of 200 and more are given without keeping anything."""
    forgetful: bool = False
    """It keeps what it gets, and breaks the connection instead of saying so."""
    refused: set[bytes] = field(default_factory=set)
    """Contents that it answers with 500, whatever else."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at each PUT."""

    async def put(self, request: web.Request) -> web.StreamResponse:
        name, data = request.match_info["name"], await request.read()
        self.asked[name] += 1
        self.headers.append(dict(request.headers))
        self.arrived.set()
        if self.answers:
            headers = {"Location": f"{self.url}/elsewhere"}
            return web.Response(status=self.answers.pop(0), headers=headers, text="not now")
        if data in self.refused:
            return web.Response(status=500)
        if name in self.examples:
            return web.Response(status=412)
        self.examples[name] = data
        self.new[name] += 1
        if self.forgetful:
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=201)


@contextlib.asynccontextmanager
async def collecting(tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Collector]:
    """Listens at <url>/<name> until the block ends; port 0: any free one."""
    collector = Collector()
    application = web.Application(client_max_size=2**26)
    application.router.add_put("/hard/{name}", collector.put)
    application.router.add_put("/elsewhere", collector.put)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    bound = runner.addresses[0][1]
    collector.url = f"{'https' if tls else 'http'}://127.0.0.1:{bound}/hard"
    try:
        yield collector
    finally:
        await runner.cleanup()
