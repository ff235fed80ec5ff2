"""The road to a server: forwards connections to a port of this machine, counts their bytes, and may end TLS on the way.

Triton speaks no TLS on HTTP; in front of it stands what stands there in a cloud.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from pathlib import Path

from tests.runtime.issuer import Issuer, Pair


@dataclass
class Road:
    """`sent` and `received` as the client sees them, in bytes on its socket; with TLS, of what is inside it."""

    target: int
    port: int = 0
    connections: int = 0
    ended: int = 0
    """Connections that were closed, by whomever."""
    sent: int = 0
    received: int = 0
    clients: list[str] = field(default_factory=list)
    """Common name of the certificate that each connection's client showed; empty: none."""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.clients.append(_name(writer))
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
            out, back = self._pump(reader, there_writer, out=True), self._pump(there_reader, writer, out=False)
            ways = [asyncio.ensure_future(way) for way in (out, back)]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                there_writer.transport.abort()
                await _ended(ways)
        finally:
            self.ended += 1
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, out: bool) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while chunk := await reader.read(65536):
                self.sent += len(chunk) * out
                self.received += len(chunk) * (not out)
                writer.write(chunk)
                await writer.drain()


@contextlib.asynccontextmanager
async def road(target: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Road]:
    """To a port of this machine; `tls`: of the near end, may be changed by its owner while it is in use."""
    it, carrying = Road(target), set[asyncio.Task[None]]()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(it.carry(reader, writer))
        carrying.add(task)
        task.add_done_callback(carrying.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        await _ended(carrying)
        await asyncio.sleep(0)  # aborted transports close in the loop's next round


def ending_tls(folder: Path, certificate: Pair, clients: Issuer | None = None) -> ssl.SSLContext:
    """Of a server with this certificate, which asks for one that `clients` signed, if given. `folder`: to write in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    place = certificate.write(folder)
    context.load_cert_chain(place / "tls.crt", place / "tls.key")
    if clients is not None:
        context.load_verify_locations(cadata=clients.ca.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def _ended(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _name(writer: asyncio.StreamWriter) -> str:
    subject = (writer.get_extra_info("peercert") or {}).get("subject", ())
    return next((value for part in subject for key, value in part if key == "commonName"), "")
