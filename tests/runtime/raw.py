"""HTTP as bytes on a socket, for what no well-behaved client would send."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from tests.runtime.serving import numbers, ones

INFER = "/v2/models/linear/infer"
GOOD = json.dumps({"inputs": [numbers("x", ones(1, 2))]}).encode()
LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: device\r\n\r\n"


def post(body: bytes = GOOD, *headers: str, path: str = INFER, length: int | None = None) -> bytes:
    """A request; `length`: what it says instead of the truth."""
    lines = [f"POST {path} HTTP/1.1", "Host: device", *headers]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*chunks: bytes, path: str = INFER) -> bytes:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return f"POST {path} HTTP/1.1\r\nHost: device\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + framed


@dataclass(frozen=True)
class Reply:
    """`headers` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Raw:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def ask(self, data: bytes) -> Reply:
        await self.send(data)
        return await self.reply()

    async def reply(self, with_body: bool = True) -> Reply:
        """The next one; IncompleteReadError where the connection ends before it."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        line, *fields = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
        size = int(headers.get("content-length", 0)) if with_body else 0
        return Reply(int(line.split()[1]), headers, await self._reader.readexactly(size))

    async def ended(self) -> bytes:
        """What still comes until the server closes the connection."""
        try:
            return await self._reader.read()
        except ConnectionError:
            return b""

    def abort(self) -> None:
        """Leaves without a word, and without what is still to be sent."""
        self._writer.transport.abort()


@contextlib.asynccontextmanager
async def connected(address: str, limit: int = 2**16) -> AsyncIterator[Raw]:
    """`limit`: bytes that are read ahead."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=limit)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
