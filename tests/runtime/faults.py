"""A link that can break: a TCP proxy between a device and its cloud, with one fault at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from tests.cloud.passing import accepting, until_either_ends

Fault = Literal["", "reset", "blackhole", "cut", "garbage"]
_ANSWERS: dict[Fault, bytes] = {
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{",
    "garbage": b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nno json",
}


@dataclass
class Link:
    """`fault` may change at any time, for connections to come."""

    port: int
    target: int
    fault: Fault = ""
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._carry(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault == "":
            await self._forward(reader, writer)
        elif self.fault == "blackhole":
            await reader.read()
        elif self.fault in _ANSWERS:
            await reader.read(65536)
            writer.write(_ANSWERS[self.fault])
            await writer.drain()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        await until_either_ends(there_writer, _pump(reader, there_writer), _pump(there_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()


@contextlib.asynccontextmanager
async def link(target: int) -> AsyncIterator[Link]:
    """To a port of this machine."""
    it = Link(0, target)
    async with accepting(it.carry) as it.port:
        yield it
