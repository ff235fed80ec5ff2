"""Listens on a port, and leaves it in good order, whatever is spoken there."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from abc import ABC, abstractmethod
from collections.abc import Collection

from edgewise_runtime.ports.handshakes import BACKLOG, Handshakes
from edgewise_runtime.ports.reception import Guest, Reception


class Port(ABC):
    """One port, with a reception of its own."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._server: asyncio.Server | Handshakes | None = None

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """The port listened on; OSError where it is taken."""
        if tls is not None:
            self._server = Handshakes(self._connection, tls, self._reception.limits.patience)
            return self._server.start(host, port)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, host or None, port, backlog=BACKLOG)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    @abstractmethod
    def _connection(self) -> asyncio.BaseProtocol:
        """Of a new client."""

    @property
    def guests(self) -> Collection[Guest]:
        """Whoever is connected."""
        return self._reception.guests

    @property
    def watching(self) -> bool:
        """Whether somebody is watched, so that this process wakes up now and then."""
        return self._reception.watching

    def refuse(self) -> None:
        """Takes no new connections; those that are open go on."""
        if self._server is not None:
            self._server.close()

    async def close(self, patience: float) -> None:
        """Ends all connections: idle ones at once, others when their request is answered, at the latest after
        `patience` seconds."""
        self.refuse()
        reception = self._reception
        reception.closing = True
        for guest in list(reception.guests):
            guest.leave()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(reception.emptied(), patience)
        for guest in list(reception.guests):
            guest.abort()
        await reception.emptied()
        reception.close()
