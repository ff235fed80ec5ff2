"""One body into one Partial: resumed with a Range, cut off at its limit, hashed on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from edgewise.api.names import Reason
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch.partial import Partial
from edgewise_runtime.agent.fetch.web import Request, Web, check, shown

CHUNK = 2**18


@dataclass(frozen=True)
class Expected:
    """What the bytes must be."""

    sha256: str
    size: int | None
    """Bytes, where the EdgeModel says so."""
    most: int
    """Bytes that may be written in any case: what the cache has room for."""

    def check_length(self, length: int, where: str) -> None:
        """Failure where `length` bytes are too many: told by a header before any was read, or counted."""
        if self.size is not None and length > self.size:
            raise Failure(Reason.HASH_MISMATCH, f"{where} has more than the {self.size} bytes of source.size")
        if length > self.most:
            message = f"{where} has more than the {self.most} bytes left in the cache; raise serving.cache.limit"
            raise Failure(Reason.SOURCE_REFUSED, message)


@dataclass(frozen=True)
class Transfer:
    """Where from, what is expected, whom to tell how many bytes are there."""

    request: Request
    expected: Expected
    progress: Callable[[int], None]

    async def complete(self, web: Web, partial: Partial) -> None:
        """Bring `partial` to the expected content, from what it holds if that leads there, else from the beginning."""
        if partial.size > 0:
            try:
                await self._once(web, partial)
                return
            except Failure as failure:
                if failure.reason != Reason.HASH_MISMATCH:
                    raise
        await asyncio.to_thread(partial.restart)
        await self._once(web, partial)

    async def _once(self, web: Web, partial: Partial) -> None:
        if partial.sha256 != self.expected.sha256:
            await self._receive(web, partial)
        if partial.sha256 != self.expected.sha256:
            where, got = shown(self.request.url), partial.sha256
            await asyncio.to_thread(partial.restart)
            raise Failure(
                Reason.HASH_MISMATCH,
                f"{where} has sha256 {got}, source.sha256 says {self.expected.sha256}; correct one of them",
            )

    async def _receive(self, web: Web, partial: Partial) -> None:
        headers = {**self.request.headers, **({"Range": f"bytes={partial.size}-"} if partial.size else {})}
        request = Request(self.request.url, headers, self.request.authorization)
        async with web.get(request) as response:
            if not _goes_on(response, partial.size):
                await asyncio.to_thread(partial.restart)
            if response.status == 416:  # nothing there beyond what we have, which is not what we want
                raise Failure(Reason.HASH_MISMATCH, f"{shown(request.url)} is shorter than what was downloaded of it")
            check(request.url, response.status)
            await self._write(response, partial)

    async def _write(self, response: aiohttp.ClientResponse, partial: Partial) -> None:
        where = shown(self.request.url)
        self.expected.check_length(partial.size + (response.content_length or 0), where)
        async for chunk in response.content.iter_chunked(CHUNK):
            self.expected.check_length(partial.size + len(chunk), where)
            await asyncio.to_thread(partial.append, chunk)
            self.progress(partial.size)


def _goes_on(response: aiohttp.ClientResponse, offset: int) -> bool:
    """Whether the body starts at `offset`: a server may ignore a Range, or answer another one."""
    if response.status != 206:
        return offset == 0 or response.status not in (200, 416)
    return response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
