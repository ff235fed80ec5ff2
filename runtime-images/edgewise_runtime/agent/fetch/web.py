"""HTTP as is safe for model files: guarded addresses, redirects followed by hand, no proxy, no cookies, no decoding.

Every failure leaves here as a Failure whose message names the server without the secrets a URL may carry.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from edgewise.api.names import Reason
from edgewise_runtime.agent.bodies import read_whole
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch.addresses import AddressGuard

MOST_REDIRECTS = 10  # as browsers and curl's documentation advise; registries need 1 or 2
CONNECT_SECONDS = 10.0
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
    """One GET. `authorization` goes to the server it was written for, never along with a redirect to another."""

    url: URL
    headers: Mapping[str, str] = field(default_factory=dict)
    authorization: str = field(default="", repr=False)


class Web:
    """One session for one try at one source."""

    def __init__(self, guard: AddressGuard, trust: ssl.SSLContext, stall_seconds: float) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=guard.socket, ssl=trust),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=stall_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
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
            headers = dict(request.headers)
            if request.authorization and url.origin() == origin:
                headers["Authorization"] = request.authorization
            with _translated(url):
                async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                    if response.status not in _REDIRECTS:
                        yield response
                        return
                    url = _next(url, response)
        raise Failure(Reason.SOURCE_REFUSED, f"{shown(request.url)} redirects more than {MOST_REDIRECTS} times")

    async def read(self, request: Request, most: int) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of a small document; Failure where it is longer than `most` bytes."""
        async with self.get(request) as response:
            body = await read_whole(response, most)
        if body is None:
            raise Failure(Reason.SOURCE_REFUSED, f"{shown(request.url)} answers with more than {most} bytes")
        return response.status, response.headers, body


def check(url: URL, status: int) -> None:
    """Failure unless `status` means that the body is what was asked for."""
    if status in (200, 206):
        return
    transient = status >= 500 or status in _TRANSIENT
    hint = f"; {_HINTS[status]}" if status in _HINTS else ""
    reason = Reason.SOURCE_UNREACHABLE if transient else Reason.SOURCE_REFUSED
    raise Failure(reason, f"{shown(url)} answers {status}{hint}")


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
