"""Listens on a port for an aiohttp application, with what aiohttp lacks at the door.

Connections that open and then say nothing are cut (there is no timeout for the first request, so anyone could hold file
descriptors for free), and what is not HTTP is answered as everything else: {"error": ...}, without a trace in the log.
"""

from __future__ import annotations

import asyncio
import json
import logging

from aiohttp import web
from aiohttp.typedefs import Handler

log = logging.getLogger(__name__)

_KEEP_ALIVE = 75.0  # seconds between two requests of a connection; nginx' default, which proxies expect
_LINGER = 2.0  # seconds in which a client may read why its body, not yet sent in full, was refused
_BACKLOG = 1024


class Connection(web.RequestHandler):
    """One client. Bodies are left compressed: body.py unpacks them within bounds."""

    def __init__(self, manager: web.Server) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # which is how aiohttp is told to write none
            keepalive_timeout=_KEEP_ALIVE,
            lingering_time=_LINGER,
            auto_decompress=False,
        )

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Called by aiohttp for what it cannot parse, and for what escaped the application."""
        if status >= 500:
            log.error("%s %s failed", request.method, request.path, exc_info=exc)
        text = "an error of this server; its log has the details" if status >= 500 else f"not HTTP: {message}"
        response = web.Response(
            body=json.dumps({"error": text}).encode(), status=status, content_type="application/json"
        )
        response.force_close()
        return response


class Listener:
    """One application on one port."""

    def __init__(self, application: web.Application, patience: float) -> None:
        """`patience`: seconds a new connection may take until its first request's headers are complete."""
        self._patience = patience
        self._silent: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}
        self._server: asyncio.Server | None = None
        application.middlewares.insert(0, self._note)
        self._runner = web.AppRunner(application, handler_cancellation=True)

    async def start(self, host: str, port: int) -> int:
        """The port listened on; OSError where it is taken."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, host or None, port, backlog=_BACKLOG)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def refuse(self) -> None:
        """Takes no new connections; those that are open go on."""
        if self._server is not None:
            self._server.close()

    async def close(self) -> None:
        """Ends all connections: idle ones at once, others when their request is answered."""
        self.refuse()
        await self._runner.cleanup()
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()

    def _connection(self) -> Connection:
        assert self._runner.server is not None  # noqa: S101  set up before it listens
        connection = Connection(self._runner.server)
        self._silent[connection] = asyncio.get_running_loop().call_later(self._patience, self._cut, connection)
        return connection

    def _cut(self, connection: Connection) -> None:
        del self._silent[connection]
        connection.force_close()

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        timer = self._silent.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        return await handler(request)
