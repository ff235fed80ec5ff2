"""One body into one Partial: resumed with a Range, cut off at its limit, held to the cap, hashed on the way.

Servers are not trusted: what they send may be too much, too little, something else than a minute ago, or hardly
anything for ever. Each of these ends in a Failure, and what is sound stays for the next try.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import aiohttp

from edgewise.api.names import Reason
from edgewise_runtime import s3
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch.expected import Expected
from edgewise_runtime.agent.fetch.partial import Partial
from edgewise_runtime.agent.fetch.throttle import Throttle
from edgewise_runtime.agent.fetch.web import Request, Web, check, shown
from edgewise_runtime.agent.threads import to_the_end

LEAST_BYTES = 2**12
"""A server that sends less while one waits for it as long as for a silent one (30 s) is as good as silent: GPRS brings
ten times as much."""
TOLD_BYTES = 2**12
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_STRONG = re.compile(r'"[\x21\x23-\x7e]{1,256}"')


@dataclass(frozen=True)
class Manner:
    """How bodies are read."""

    throttle: Throttle
    stall_seconds: float
    progress: Callable[[int], None]
    """Told the bytes that are there, after each chunk."""


@dataclass(frozen=True)
class Transfer:
    """Where from, what is expected, and how."""

    request: Request
    expected: Expected
    manner: Manner

    async def complete(self, web: Web, partial: Partial) -> None:
        """Bring `partial` to the expected content, from what it holds if that leads there, else from the beginning."""
        if partial.size > 0:
            try:
                await self._once(web, partial)
                return
            except Failure as failure:
                if failure.reason != Reason.HASH_MISMATCH:
                    raise
        await to_the_end(partial.restart)
        await self._once(web, partial)

    async def _once(self, web: Web, partial: Partial) -> None:
        if partial.sha256 == self.expected.sha256:
            return
        await self._receive(web, partial)
        if partial.sha256 != self.expected.sha256:
            where, got = shown(self.request.url), partial.sha256
            self.expected.check_whole(partial.size, where)
            await to_the_end(partial.restart)
            raise Failure(
                Reason.HASH_MISMATCH,
                f"{where} has sha256 {got}, source.sha256 says {self.expected.sha256}; correct one of them",
            )

    async def _receive(self, web: Web, partial: Partial) -> None:
        url = self.request.url
        async with web.get(self._going_on(partial)) as response:
            if response.status == 416:  # nothing there beyond what we have, which is not what we want
                raise Failure(Reason.HASH_MISMATCH, f"{shown(url)} is shorter than what was downloaded of it")
            if response.status >= 400:
                check(url, response.status, s3.told(await response.content.read(TOLD_BYTES)))
            check(url, response.status)
            total = await self._begin(response, partial)
            if total is not None:
                self.expected.check_length(total, shown(url))
                self.expected.told(total)
            await self._write(response, partial)

    def _going_on(self, partial: Partial) -> Request:
        """Asks for what is missing, of the very file that the rest came from where the server told us which."""
        if partial.size == 0:
            return self.request
        headers = {**self.request.headers, "Range": f"bytes={partial.size}-"}
        version = partial.versions.get(shown(self.request.url))
        if version is not None:
            headers["If-Range"] = version
        return Request(self.request.url, headers, self.request.private)

    async def _begin(self, response: aiohttp.ClientResponse, partial: Partial) -> int | None:
        """Bytes of the whole file, where the server says so. Failure where this is no body that can be used."""
        where = shown(self.request.url)
        coding = response.headers.get("Content-Encoding", "identity")
        if coding != "identity":
            message = f"{where} comes as {coding}, which was not asked for; have it served as it is"
            raise Failure(Reason.SOURCE_REFUSED, message)
        version = response.headers.get("ETag", "")
        known, total = partial.versions.get(where), response.content_length
        if response.status == 206:
            total = _whole(response, partial.size, where)
            if known and version and version != known:
                raise Failure(Reason.HASH_MISMATCH, f"{where} was changed while it was downloaded")
        elif partial.size > 0:  # it knows no ranges, or has another file by now
            await to_the_end(partial.restart)
        if _STRONG.fullmatch(version):
            partial.versions[where] = version
        return total

    async def _write(self, response: aiohttp.ClientResponse, partial: Partial) -> None:
        where = shown(self.request.url)
        async for chunk in self._chunks(response, where):
            length = partial.size + len(chunk)
            self.expected.check_length(length, where)
            if self.expected.needs_room(length):
                await to_the_end(self.expected.grow, length)
            await to_the_end(partial.append, chunk)
            self.manner.progress(partial.size)

    async def _chunks(self, response: aiohttp.ClientResponse, where: str) -> AsyncIterator[bytes]:
        """As fast as the cap allows. Failure where one waits, and waits, for next to nothing."""
        waited, got = 0.0, 0
        while True:
            asked = time.monotonic()
            chunk = await response.content.read(self.manner.throttle.piece)
            if not chunk:
                return
            waited, got = waited + time.monotonic() - asked, got + len(chunk)
            if waited >= self.manner.stall_seconds:
                if got < LEAST_BYTES:
                    message = f"{where} sent {got} bytes in {waited:.0f} s; will go on where it stopped"
                    raise Failure(Reason.SOURCE_UNREACHABLE, message)
                waited, got = 0.0, 0
            await self.manner.throttle.spend(len(chunk))
            yield chunk


def _whole(response: aiohttp.ClientResponse, offset: int, where: str) -> int | None:
    """Bytes of the whole file according to a partial answer; Failure where it is not the part that was asked for."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != offset:
        raise Failure(Reason.HASH_MISMATCH, f"{where} answers another part of the file than was asked for")
    return int(found[3]) if found[3] != "*" else None
