"""The way in with TLS: connections are counted before their handshake, too. Used by the listener.

asyncio tells of a connection when its handshake is over; until then it holds a descriptor and a buffer that nobody has
counted, for as long as a handshake may take. Whoever opens connections and says nothing could take a device's memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable

log = logging.getLogger(__name__)

MOST = 128
"""Handshakes at the same time. For one more the oldest ends: it has had the most time, and an honest one takes a few
round trips."""
BACKLOG = 1024
"""Connections that the kernel keeps until they are accepted."""
_PAUSE = 1.0  # seconds, when the system has no descriptor left

Factory = Callable[[], asyncio.BaseProtocol]


class Handshakes:
    """Listens on one port, and hands over to protocols of `factory` whoever has shaken hands."""

    def __init__(self, factory: Factory, tls: ssl.SSLContext, patience: float) -> None:
        """`patience`: seconds a handshake may take."""
        self._factory = factory
        self._tls = tls
        self._patience = patience
        self._accepting: asyncio.Task[None] | None = None
        self._shaking: dict[asyncio.Task[None], None] = {}

    def start(self, host: str, port: int) -> int:
        """The port listened on; OSError where it is taken."""
        listening = _bound(host, port)
        self._accepting = asyncio.ensure_future(self._accept(listening))
        self._accepting.add_done_callback(lambda _: listening.close())
        bound: int = listening.getsockname()[1]
        return bound

    def close(self) -> None:
        """Takes no new connections, and ends those that are not through."""
        for task in (*self._shaking, *([self._accepting] if self._accepting else [])):
            task.cancel()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listening)
            except OSError as error:
                log.error("cannot accept a connection", extra={"detail": str(error)})
                await asyncio.sleep(_PAUSE)
                continue
            if len(self._shaking) >= MOST:
                oldest = next(iter(self._shaking))
                self._forget(oldest)
                oldest.cancel()
            task = loop.create_task(self._shake(client))
            self._shaking[task] = None
            task.add_done_callback(self._forget)
            await asyncio.sleep(0)  # a crowd at the door would else keep this loop from everything else

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._shaking.pop(task, None)

    async def _shake(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # ssl.SSLError and a handshake that took too long are some
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.connect_accepted_socket(
                self._factory, client, ssl=self._tls, ssl_handshake_timeout=self._patience
            )


def _bound(host: str, port: int) -> socket.socket:
    if host:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    else:
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        listening = socket.create_server(("", port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    listening.setblocking(False)
    return listening
