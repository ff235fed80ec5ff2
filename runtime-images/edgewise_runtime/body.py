"""Takes a request's body in, within bounds of size and time. Called by the HTTP routes.

The bytes are placed so that the binary part starts at a multiple of 64: most tensors can then be used where they lie.
"""

from __future__ import annotations

import asyncio
import zlib

from aiohttp import web

from edgewise_runtime.errors import (
    BadRequestError,
    BodyTimeoutError,
    TooLargeError,
    UnsupportedEncodingError,
    shown,
)
from edgewise_runtime.settings import Settings

_ALIGNMENT = 64
_GZIP, _ZLIB, _DEFLATE = 31, 15, -15  # zlib's window sizes say which format to expect


async def read_body(request: web.Request, json_size: int | None, settings: Settings) -> memoryview:
    """The whole body, decompressed. `json_size`: where its binary part starts; None: it is all JSON.

    Refuses by the headers alone where they suffice; a compressed body as soon as it unpacks to too much."""
    sink = _sink(request, json_size, settings)
    if request.content_length is not None and request.content_length > sink.limit:
        sink.refuse()
    try:
        if request.content.is_eof():
            sink.add(request.content.read_nowait())
        else:
            await asyncio.wait_for(_fill(request, sink), settings.body_timeout)
        return sink.finish()
    except asyncio.TimeoutError:
        raise BodyTimeoutError(f"the body did not arrive within {settings.body_timeout:g} s") from None
    except (zlib.error, web.RequestPayloadError) as error:
        raise BadRequestError(f"the body is not what its headers say: {shown(str(error))}") from error


class _Plain:
    """Collects a body; TooLargeError as soon as it is one."""

    def __init__(self, limit: int, json_size: int | None) -> None:
        self.limit = limit
        self._json_size = json_size
        self._padding = -(json_size or 0) % _ALIGNMENT
        self._body = bytearray(self._padding)

    @property
    def room(self) -> int:
        return self._padding + self.limit - len(self._body)

    def add(self, chunk: bytes) -> None:
        if len(chunk) > self.room:
            self.refuse()
        self._body += chunk

    def finish(self) -> memoryview:
        return memoryview(self._body)[self._padding :]

    def refuse(self) -> None:
        advice = "; send large tensors as binary data" if self._json_size is None else ""
        raise TooLargeError(f"the body is larger than the {self.limit} bytes this device takes{advice}")


class _Compressed(_Plain):
    """Unpacks no more than fits, whatever a small body may claim to hold."""

    def __init__(self, limit: int, json_size: int | None, encoding: str) -> None:
        super().__init__(limit, json_size)
        self._unpack = zlib.decompressobj(_GZIP) if encoding == "gzip" else None

    def add(self, chunk: bytes) -> None:
        if not chunk:
            return
        if self._unpack is None:  # deflate: the standard means zlib, some clients send the bare stream
            self._unpack = zlib.decompressobj(_ZLIB if chunk[0] & 0x0F == 8 else _DEFLATE)
        super().add(self._unpack.decompress(chunk, self.room + 1))
        if self._unpack.unconsumed_tail:
            self.refuse()

    def finish(self) -> memoryview:
        if self._unpack is None or not self._unpack.eof or self._unpack.unused_data:
            raise zlib.error("the compressed data is cut off, or more follows it")
        return super().finish()


async def _fill(request: web.Request, sink: _Plain) -> None:
    async for chunk in request.content.iter_any():
        sink.add(chunk)


def _sink(request: web.Request, json_size: int | None, settings: Settings) -> _Plain:
    limit = settings.max_body if json_size is not None else min(settings.max_json, settings.max_body)
    if json_size is not None and json_size > settings.max_json:
        raise TooLargeError(f"the JSON part is larger than the {settings.max_json} bytes this device takes")
    encoding = request.headers.get("Content-Encoding", "").lower()
    if encoding in ("", "identity"):
        return _Plain(limit, json_size)
    if encoding in ("gzip", "deflate"):
        return _Compressed(limit, json_size, encoding)
    raise UnsupportedEncodingError(f"Content-Encoding {shown(encoding)} is not understood; use gzip or deflate")
