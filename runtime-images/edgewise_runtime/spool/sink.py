"""Where examples go: one PUT each, to a web server or to S3, under a name made of the content. Called by sending.py.

The name makes it safe to send twice. `If-None-Match: *` asks the sink to keep what it has: 412 is an answer as good as
201. Neither a redirect is followed nor a cookie kept: credentials go to the sink that was named, and nowhere else.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import aiohttp
from yarl import URL

from edgewise.contract.plan import PlanSpool
from edgewise_runtime import s3
from edgewise_runtime.credentials import read_credentials
from edgewise_runtime.pace import Pace
from edgewise_runtime.spool.record import SUFFIX

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
SLOWEST = 2**10  # bytes a second: what goes slower is a dead connection, unless the plan asks for less
_UNWANTED = frozenset({413, 415, 422})  # the example's own fault: it will not get better

Result = Literal["sent", "known", "unwanted"]
"""The sink has it now; had it already; will never take it."""


class SinkError(Exception):
    """Not delivered, as far as one can tell; to be tried again. `answered`: by the sink, about this example."""

    def __init__(self, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


@dataclass(frozen=True)
class Way:
    """How the device gets there."""

    secrets: Path
    """<secrets>/<name>/<key>."""
    socket: Callable[[tuple[Any, ...]], Any] | None = None
    """aiohttp's socket_factory; refuses addresses that a plan must not make a device write to."""


class Sink:
    """Connections to one sink, for as long as the block lasts. What its Secrets say is read anew for each block."""

    def __init__(self, plan: PlanSpool, way: Way, pace: Pace) -> None:
        self._plan = plan
        self._way = way
        self._pace = pace
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Sink:
        trust = await asyncio.to_thread(self._trust)
        connector = aiohttp.TCPConnector(ssl=trust, socket_factory=self._way.socket, limit=1)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "edgewise-runtime"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def put(self, name: str, data: bytes) -> Result:
        """`name`: the sha256 of `data`, hexadecimal. SinkError where the sink cannot be reached or does not take it."""
        try:
            url, headers = self._addressed(name, len(data))
            return await self._put(url, headers, data)
        except asyncio.TimeoutError:
            raise SinkError("it does not answer, or hardly takes anything in") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SinkError(str(error) or type(error).__name__) from error

    async def _put(self, url: URL, headers: Mapping[str, str], data: bytes) -> Result:
        body, limits = _Paced(data, self._pace), self._limits(len(data))
        async with self._session.put(url, data=body, headers=headers, allow_redirects=False, timeout=limits) as answer:
            if 200 <= answer.status < 300:
                return "sent"
            if answer.status == 412:
                return "known"
            if answer.status in _UNWANTED:
                return "unwanted"
            raise SinkError(f"HTTP {answer.status}{await _told(answer)}", answered=True)

    def _limits(self, size: int) -> aiohttp.ClientTimeout:
        """aiohttp's own, not wait_for: before Python 3.12 that can swallow a cancellation."""
        whole = CONNECT_SECONDS + ANSWER_SECONDS + size / min(SLOWEST, (self._pace.rate or SLOWEST) / 2)
        return aiohttp.ClientTimeout(total=whole, sock_connect=CONNECT_SECONDS, sock_read=ANSWER_SECONDS)

    def _addressed(self, name: str, size: int) -> tuple[URL, dict[str, str]]:
        digest = base64.b64encode(bytes.fromhex(name)).decode()
        headers = {
            "Content-Length": str(size),
            "Content-Type": "application/zip",
            "Content-Digest": f"sha-256=:{digest}:",
            "If-None-Match": "*",
        }
        reference, key = self._plan.sink_secret_ref, name + SUFFIX
        secret = self._way.secrets / reference.name if reference else None
        sink = self._plan.sink or ""
        if sink.startswith("s3://") and secret is not None:
            account = _account(secret)
            url = account.object(f"{sink.rstrip('/')}/{key}")
            call = s3.Call("PUT", url, headers, name)
            return url, s3.signed(call, account.keys, datetime.now(timezone.utc))
        return s3.object_url(sink, key), headers | (_authorization(secret, sink) if secret else {})

    def _trust(self) -> ssl.SSLContext:
        """The sink's own certificate authority where the plan names one, and no other then. Blocking."""
        reference = self._plan.ca_secret_ref
        if reference is None:
            return ssl.create_default_context()
        try:
            own = (self._way.secrets / reference.name / reference.key).read_text()
            return ssl.create_default_context(cadata=own or "empty")  # it would take nothing for the system's
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise SinkError(f"key {reference.key} of Secret {reference.name} is missing or is no PEM bundle") from error


class _Paced:
    """A body as slow as it shall be. Whole each time: after a dead connection some aiohttp send it again."""

    def __init__(self, data: bytes, pace: Pace) -> None:
        self._data = data
        self._pace = pace

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = self._pace.piece
        for at in range(0, len(self._data), size):
            piece = self._data[at : at + size]
            await asyncio.sleep(self._pace.wait(len(piece), time.monotonic()))
            yield piece


def _authorization(secret: Path, sink: str) -> dict[str, str]:
    """Of a web server; SinkError where there is nothing to show, or where everybody on the way could read it."""
    found = read_credentials(secret)
    if not found.sendable or not found.header():
        raise SinkError(f"Secret {secret.name} is missing, or has neither a usable token nor username and password")
    if not sink.startswith("https://"):
        raise SinkError("what sinkSecretRef holds is sent over https:// only")
    return {"Authorization": found.header()}


def _account(secret: Path) -> s3.Account:
    try:
        return s3.account(secret)
    except LookupError as error:
        raise SinkError(str(error.args[0])) from error


async def _told(answer: aiohttp.ClientResponse) -> str:
    """What the sink says about it, in brief: S3's code and message, or the first words."""
    body = await answer.content.read(4096)
    text = s3.told(body) or body[:120].decode(errors="replace").strip()
    return f": {text}" if text else ""
