"""The door of the reports server: so many TLS connections are open at most, those that still shake hands among them.

An open one costs 290 KiB, and a fleet may come all at once. Who finds every place taken waits in the kernel's queue,
which costs next to nothing; while half of them are taken, nobody stays after his answer. Used by controller/reports.py.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web

_log = logging.getLogger(__name__)
_GREETS_WITHIN = 10.0  # seconds for the handshake, which is as long as a device tries to report
_LEAVES_WITHIN = 5.0  # seconds for the peer to confirm the end, before the connection is cut
_PAUSE = 1.0  # seconds, when the process can open no more files


class Door:
    """One TCP port."""

    def __init__(self, port: int, tls: ssl.SSLContext, most: int) -> None:
        """most: connections."""
        self._port = port
        self._tls = tls
        self._most = most
        self.inside = 0
        """Connections, greeted or not yet."""
        self._places = asyncio.Semaphore(most)

    @property
    def crowded(self) -> bool:
        """Whether a connection should end with the present answer: somebody may be waiting for its place."""
        return self.inside * 2 > self._most

    @asynccontextmanager
    async def keep(self, server: web.Server) -> AsyncIterator[None]:
        """Lets connections in to `server` while the block runs; ends none that was let in. OSError where the port is
        taken."""
        with self._listening() as listening:
            admitting = asyncio.create_task(self._admit(listening, server), name="door")
            try:
                yield
            finally:
                admitting.cancel()
                await asyncio.wait([admitting])

    def _listening(self) -> socket.socket:
        """On IPv4, and on IPv6 where there is such a thing."""
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        backlog = max(self._most, 128)
        made = socket.create_server(("", self._port), family=family, dualstack_ipv6=both, backlog=backlog)
        made.setblocking(False)
        return made

    async def _admit(self, listening: socket.socket, server: web.Server) -> None:
        loop, greetings = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        try:
            while True:
                await self._places.acquire()
                connection = await _next(loop, listening)
                self.inside += 1
                greeting = asyncio.create_task(self._greet(connection, _Guest(server(), self._leave)))
                greetings.add(greeting)
                greeting.add_done_callback(greetings.discard)
        finally:
            for greeting in greetings:
                greeting.cancel()

    async def _greet(self, connection: socket.socket, guest: _Guest) -> None:
        """The handshake; after it the guest is aiohttp's, and leaves when the connection is lost."""
        with suppress(OSError):  # of a handshake that came to nothing: the peer's fault, and the peer knows
            try:
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: guest,
                    connection,
                    ssl=self._tls,
                    ssl_handshake_timeout=_GREETS_WITHIN,
                    ssl_shutdown_timeout=_LEAVES_WITHIN,
                )
            except BaseException:
                self._leave()
                raise

    def _leave(self) -> None:
        self.inside -= 1
        self._places.release()


class _Guest(asyncio.Protocol):
    """aiohttp's protocol of one connection, and word of its end."""

    def __init__(self, inner: web.RequestHandler, gone: Callable[[], None]) -> None:
        self._inner = inner
        self._gone = gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> None:
        self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._inner.connection_lost(exc)
        self._gone()


async def _next(loop: asyncio.AbstractEventLoop, listening: socket.socket) -> socket.socket:
    """Who comes next."""
    while True:
        try:
            return (await loop.sock_accept(listening))[0]
        except OSError as error:
            _log.warning("cannot take a connection", extra={"error": str(error)})
            await asyncio.sleep(_PAUSE)
