"""Speaks to the API server for hundreds of nodes at the same time. Called by the parts of the swarm.

The harness's own client (tests/cluster/client.py) makes one call after the other, which is too slow for that.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.cluster.apiserver import ApiServer
from tests.cluster.client import JSON, MERGE_PATCH, ApiError

Body = dict[str, Any]
_AT_ONCE = 32  # connections; more only queue up in the API server
_LINE = 2**22  # bytes of one watch event


class Api:
    """An administrator. Refusals raise ApiError."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server

    async def get(self, path: str) -> Body:
        return await self._send("GET", path)

    async def post(self, path: str, body: Body) -> Body:
        return await self._send("POST", path, body)

    async def patch(self, path: str, body: Body) -> Body:
        """Merges."""
        return await self._send("PATCH", path, body, MERGE_PATCH)

    async def delete(self, path: str) -> None:
        """At once, as a kubelet ends what it has stopped."""
        await self._send("DELETE", path, {"gracePeriodSeconds": 0})

    async def watch(self, path: str) -> AsyncIterator[tuple[str, Body]]:
        """(ADDED, object) for each that is there, then what happens to them: ADDED, MODIFIED, DELETED. For ever: where
        the server ends a watch, as it does when we are too slow for it, all that is there is told again."""
        timeout = aiohttp.ClientTimeout(total=None)
        while True:
            url = f"{self._server}{path}?watch=true"
            async with self._session.get(url, timeout=timeout, read_bufsize=_LINE) as answer:
                async for line in answer.content:
                    event = json.loads(line)
                    yield event["type"], event["object"]

    async def _send(self, method: str, path: str, body: Body | None = None, content_type: str = JSON) -> Body:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content_type}
        async with self._session.request(method, self._server + path, data=data, headers=headers) as answer:
            text = await answer.text()
            if answer.status >= 400:
                raise ApiError(answer.status, text[:2000])
            found: Body = json.loads(text)
            return found


@asynccontextmanager
async def connected(server: ApiServer) -> AsyncIterator[Api]:
    """For the block."""
    trusting = ssl.create_default_context(cafile=str(server.ca))
    trusting.load_cert_chain(server.client_cert, server.client_key)
    connector = aiohttp.TCPConnector(ssl=trusting, limit=_AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Api(session, server.url)
