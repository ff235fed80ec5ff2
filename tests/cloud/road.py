"""The road to a server: forwards connections to a port of this machine, counts their bytes, and may end TLS on the way.

Triton speaks no TLS on HTTP; in front of it stands what stands there in a cloud.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.cloud.passing import accepting, until_either_ends
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
            await until_either_ends(there_writer, out, back)
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
    it = Road(target)
    async with accepting(it.carry, tls) as it.port:
        yield it


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


def _name(writer: asyncio.StreamWriter) -> str:
    subject = (writer.get_extra_info("peercert") or {}).get("subject", ())
    return next((value for part in subject for key, value in part if key == "commonName"), "")
