"""A real HTTP server on loopback with the files of a test, and the faults of bad links and bad servers."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

Fault = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


@dataclass
class FileServer:
    """`files` by path. A fault in `faults[path]` answers the next request for it, once."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    """{path: ETag}; If-Range is honoured for those."""
    required: dict[str, str] = field(default_factory=dict)
    """{path: Authorization header without which it answers 401}."""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path and headers of each request."""
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a stalling answer has sent what it will send."""

    def add(self, path: str, content: bytes) -> str:
        """The URL under which `content` is served from now on."""
        self.files[path] = content
        return self.url + path

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path, dict(request.headers)))
        faults = self.faults.get(request.path, [])
        if faults:
            return await faults.pop(0)(request, self.files.get(request.path, b""))
        if self.required.get(request.path, request.headers.get("Authorization")) != request.headers.get(
            "Authorization"
        ):
            return web.Response(status=401)
        if request.path not in self.files:
            return web.Response(status=404)
        return _ranged(request, self.files[request.path], self.etags.get(request.path, ""))

    def requests_for(self, path: str) -> list[dict[str, str]]:
        """Headers of the requests for one file."""
        return [headers for asked, headers in self.requests if asked == path]

    def stall_after(self, count: int) -> Fault:
        """Sends `count` bytes and then nothing, for as long as the client stays."""

        async def fault(request: web.Request, content: bytes) -> web.StreamResponse:
            response = await _begin(request, content, len(content))
            await response.write(content[_offset(request) :][:count])
            self.stalled.set()
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.02)
            return response

        return fault


def cut_after(count: int) -> Fault:
    """Sends `count` bytes of what was asked for, then breaks the connection."""

    async def fault(request: web.Request, content: bytes) -> web.StreamResponse:
        response = await _begin(request, content, len(content))
        await response.write(content[_offset(request) :][:count])
        assert request.transport is not None
        request.transport.close()
        return response

    return fault


def answering(body: bytes, status: int = 200, **headers: str) -> Fault:
    """That, whatever was asked; `content_range` for Content-Range."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}

    async def fault(_: web.Request, __: bytes) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=named)

    return fault


def saying_length(length: int) -> Fault:
    """Says so many bytes, and sends the file."""

    async def fault(request: web.Request, content: bytes) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (length, content))
        request.transport.close()
        return web.Response()

    return fault


def dripping(every: float, size: int = 1) -> Fault:
    """Sends `size` bytes every so many seconds, for as long as the client stays."""

    async def fault(request: web.Request, content: bytes) -> web.StreamResponse:
        response = await _begin(request, content, len(content))
        with contextlib.suppress(ConnectionError):
            for at in range(_offset(request), len(content), size):
                await response.write(content[at : at + size])
                await asyncio.sleep(every)
        return response

    return fault


def dripping_head(every: float) -> Fault:
    """Never comes to the end of its headers."""

    async def fault(request: web.Request, _: bytes) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while request.transport is not None and not request.transport.is_closing():
            request.transport.write(b"x")
            await asyncio.sleep(every)
        return web.Response()

    return fault


def without_ranges() -> Fault:
    """Ignores a Range, as simple servers do."""

    async def fault(_: web.Request, content: bytes) -> web.StreamResponse:
        return web.Response(body=content)

    return fault


def endless() -> Fault:
    """Never stops sending, and says no length."""

    async def fault(request: web.Request, _: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(bytes(2**16))
        return response

    return fault


def redirect(url: str) -> Fault:
    """302 to `url`."""

    async def fault(_: web.Request, __: bytes) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": url})

    return fault


def status(code: int) -> Fault:
    """That status, without more."""

    async def fault(_: web.Request, __: bytes) -> web.StreamResponse:
        return web.Response(status=code)

    return fault


@contextlib.asynccontextmanager
async def file_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[FileServer]:
    """Listens until the block ends."""
    server = FileServer()
    application = web.Application()
    application.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


def _offset(request: web.Request) -> int:
    return request.http_range.start or 0


def _ranged(request: web.Request, content: bytes, etag: str) -> web.Response:
    offset, headers = _offset(request), {"ETag": etag} if etag else {}
    if offset == 0 or request.headers.get("If-Range", etag) != etag:
        return web.Response(body=content, headers=headers)
    if offset >= len(content):
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(content)}"})
    span = f"bytes {offset}-{len(content) - 1}/{len(content)}"
    return web.Response(status=206, body=content[offset:], headers={"Content-Range": span, **headers})


async def _begin(request: web.Request, content: bytes, length: int) -> web.StreamResponse:
    offset = _offset(request)
    response = web.StreamResponse(status=206 if offset else 200)
    response.content_length = length - offset
    if offset:
        response.headers["Content-Range"] = f"bytes {offset}-{length - 1}/{length}"
    await response.prepare(request)
    return response
