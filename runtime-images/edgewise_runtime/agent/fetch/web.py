"""HTTP as is safe for model files: guarded addresses, redirects followed by hand, no proxy, no cookies, no decoding.

Every failure leaves here as a Failure whose message names the server without the secrets a URL may carry.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from edgewise.api.names import Reason
from edgewise_runtime.agent.bodies import read_whole
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch.addresses import AddressGuard

MOST_REDIRECTS = 10  # as browsers and curl's documentation advise; registries need 1 or 2
CONNECT_SECONDS = 10.0
READ_AHEAD = 2**16  # bytes that aiohttp holds before it lets the kernel, and so the server, wait
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRANSIENT = frozenset({408, 425, 429})
_HINTS = {
    401: "check source.secretRef",
    403: "check source.secretRef",
    404: "check source.uri",
    410: "check source.uri",
}


@dataclass(frozen=True)
class Request:
    """One GET. `private` headers go to the server they were written for, never along with a redirect to another."""

    url: URL
    headers: Mapping[str, str] = field(default_factory=dict)
    private: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Answer:
    """A small document."""

    url: URL
    """Who really answered, after redirects."""
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Line:
    """How to connect."""

    guard: AddressGuard
    trust: ssl.SSLContext
    stall_seconds: float
    """What brings nothing for so long is given up."""
    window: int | None = None
    """Bytes a server may send ahead; None: as many as the system thinks right."""

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """aiohttp's socket_factory. AddressRefusedError where it must not connect."""
        made = self.guard.socket(info)
        if self.window is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.window)
        return made


class Web:
    """One session for one try at one source."""

    def __init__(self, line: Line) -> None:
        self._patience = 2 * line.stall_seconds
        self._gave_up = False
        self._line = line
        self._sockets: list[socket.socket] = []
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=self._socket, ssl=line.trust),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=line.stall_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=min(READ_AHEAD, line.window or READ_AHEAD),
            headers={"Accept-Encoding": "identity", "User-Agent": "edgewise-runtime"},
        )

    async def __aenter__(self) -> Web:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    @contextlib.asynccontextmanager
    async def get(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer after redirects, whatever its status; its body is read by the caller, inside."""
        url, origin = _without_user(request.url), _without_user(request.url).origin()
        for _ in range(MOST_REDIRECTS + 1):
            headers = {**request.headers, **(request.private if url.origin() == origin else {})}
            with _translated(url):
                async with await self._opened(url, headers) as response:
                    if response.status not in _REDIRECTS:
                        yield response
                        return
                    url = _next(url, response)
        raise Failure(Reason.SOURCE_REFUSED, f"{shown(request.url)} redirects more than {MOST_REDIRECTS} times")

    async def read(self, request: Request, most: int) -> Answer:
        """A small document; Failure where it is longer than `most` bytes."""
        async with self.get(request) as response:
            with self._in_time():
                body = await read_whole(response, most)
        if body is None:
            raise Failure(Reason.SOURCE_REFUSED, f"{shown(request.url)} answers with more than {most} bytes")
        return Answer(_without_user(response.url), response.status, response.headers, body)

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        if self._gave_up:  # aiohttp asks a second time where a connection ends before an answer
            raise ConnectionAbortedError("given up")
        self._sockets.append(self._line.socket(info))
        return self._sockets[-1]

    async def _opened(self, url: URL, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        with self._in_time():
            return await self._session.get(url, headers=headers, allow_redirects=False)

    @contextlib.contextmanager
    def _in_time(self) -> Iterator[None]:
        """asyncio.TimeoutError where it takes too long: a server that sends a byte now and then is silent, too."""
        timer = asyncio.get_running_loop().call_later(self._patience, self._give_up)
        try:
            yield
        except (aiohttp.ClientError, ConnectionError) as error:
            if self._gave_up:
                raise asyncio.TimeoutError from error
            raise
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        """End the connections under whoever waits for them. A cancellation would do, and could swallow another one."""
        self._gave_up = True
        for made in self._sockets:
            with contextlib.suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)


def check(url: URL, status: int, told: str = "") -> None:
    """Failure unless `status` means that the body is what was asked for. `told`: what the server says about it."""
    if status in (200, 206):
        return
    transient = status >= 500 or status in _TRANSIENT
    hint = f"; {_HINTS[status]}" if status in _HINTS else ""
    reason = Reason.SOURCE_UNREACHABLE if transient else Reason.SOURCE_REFUSED
    raise Failure(reason, f"{shown(url)} answers {status}{f' ({told})' if told else ''}{hint}")


def authorized(value: str) -> dict[str, str]:
    """Private headers of a request; none where there is nothing to say."""
    return {"Authorization": value} if value else {}


def shown(url: URL) -> str:
    """The URL for messages: no user, no password, no query (a signed URL carries its secret there)."""
    return str(_without_user(url).with_query(None).with_fragment(None))


def _without_user(url: URL) -> URL:
    return url.with_user(None) if url.user or url.password else url


def _next(url: URL, response: aiohttp.ClientResponse) -> URL:
    """Where a redirect points; Failure where one must not follow it."""
    try:
        target = _without_user(url.join(URL(response.headers.get("Location", ""))))
    except ValueError as error:
        raise Failure(Reason.SOURCE_REFUSED, f"{shown(url)} redirects to something that is no URL") from error
    if target.scheme not in ("http", "https") or (url.scheme == "https" and target.scheme != "https"):
        raise Failure(
            Reason.SOURCE_REFUSED, f"{shown(url)} redirects to {shown(target)}: only https follows https; use that URL"
        )
    return target


@contextlib.contextmanager
def _translated(url: URL) -> Iterator[None]:
    """Errors of aiohttp and the network, as Failures."""
    try:
        yield
    except aiohttp.InvalidURL as error:
        raise Failure(Reason.SOURCE_REFUSED, f"{shown(url)} is no usable URL; check source.uri") from error
    except aiohttp.ClientConnectorCertificateError as error:
        detail = (
            f"the certificate of {url.host} cannot be verified ({error.certificate_error}); check source.caSecretRef"
        )
        raise Failure(Reason.SOURCE_UNREACHABLE, f"{detail} and the device's clock") from error
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, PermissionError):
            message = f"{shown(url)} is refused: {error.os_error.strerror}; models are not fetched from there"
            raise Failure(Reason.SOURCE_REFUSED, message) from error
        raise Failure(Reason.SOURCE_UNREACHABLE, f"{url.host} cannot be reached: {error.os_error}") from error
    except asyncio.TimeoutError as error:
        raise Failure(Reason.SOURCE_UNREACHABLE, f"{url.host} went silent; will go on where it stopped") from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise Failure(Reason.SOURCE_UNREACHABLE, f"{url.host} broke the transfer off: {error}") from error
