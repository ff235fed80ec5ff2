"""One pool of connections to the API server, shared by our client and by whatever watches (kopf, in handlers.py).

Each user gets a session of its own over the same connector, so that one who closes its session cuts nobody else off.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from edgewise.cluster.access import Access

Observe = Callable[[str, int], None]
"""Told the HTTP method and status of every answer; status 0: there was none."""


def _ignore(_method: str, _status: int) -> None:
    return None


class Connection:
    """Open connections to one API server. Make it with `connect`."""

    def __init__(self, access: Access, connector: aiohttp.TCPConnector, observe: Observe) -> None:
        self.server = access.server
        self.namespace = access.namespace
        self._access = access
        self._connector = connector
        self._observe = observe

    def session(self) -> aiohttp.ClientSession:
        """A new session that says who we are in every request; close it when done."""
        return aiohttp.ClientSession(
            connector=self._connector,
            connector_owner=False,
            headers={"User-Agent": f"edgewise/{version('edgewise')}"},
            middlewares=(self._identify,),
            trust_env=False,
        )

    async def _identify(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        if self._access.token is not None:
            request.headers["Authorization"] = f"Bearer {self._access.token()}"
        try:
            response = await handler(request)
        except (aiohttp.ClientError, TimeoutError):
            self._observe(request.method, 0)
            raise
        self._observe(request.method, response.status)
        return response


@asynccontextmanager
async def connect(access: Access, observe: Observe = _ignore) -> AsyncIterator[Connection]:
    """Connections to the API server, closed at the end of the block."""
    # No limit: every watch holds one connection for good.
    connector = aiohttp.TCPConnector(limit=0, ssl=access.tls)
    try:
        yield Connection(access, connector, observe)
    finally:
        await connector.close()
