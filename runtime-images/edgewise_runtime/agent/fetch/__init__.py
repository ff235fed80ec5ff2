"""Fetches the file that a source describes, from its uri or a mirror, whatever the scheme. Called by agent/stock.py.

One call is one try: over all candidates in order, going on for as long as bytes arrive. When to try again is decided by
whoever called, so that there is one place that waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from yarl import URL

from edgewise.api.edgemodel import Source
from edgewise.api.names import Reason
from edgewise_runtime import s3
from edgewise_runtime.agent.backoff import spread
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch.addresses import AddressGuard
from edgewise_runtime.agent.fetch.credentials import account, credentials, trust
from edgewise_runtime.agent.fetch.expected import Expected
from edgewise_runtime.agent.fetch.local import Copy, Folders
from edgewise_runtime.agent.fetch.oci import Registry
from edgewise_runtime.agent.fetch.partial import Partial
from edgewise_runtime.agent.fetch.throttle import Throttle
from edgewise_runtime.agent.fetch.transfer import LEAST_BYTES, Manner, Transfer
from edgewise_runtime.agent.fetch.web import Line, Request, Web, authorized, shown
from edgewise_runtime.agent.threads import opened
from edgewise_runtime.credentials import Credentials

RESUME_SECONDS = 0.5  # between the pieces of a link that gives a little and breaks
_LOCAL = frozenset({"file", "pvc"})
_REMOTE = frozenset({"http", "https", "oci", "s3"})


@dataclass(frozen=True)
class Access:
    """What the device's administrator allows, and where Secrets are mounted."""

    secrets: Path
    allowed_addresses: frozenset[str] = frozenset()
    """Loopback or link-local addresses and networks that models may come from all the same."""
    stall_seconds: float = 30.0
    """A connection that brings nothing for so long is given up: kserve#5611 is a download that hung for ever."""
    folders: Folders = field(default_factory=Folders)


@dataclass(frozen=True)
class Order:
    """What to fetch, into which file."""

    source: Source
    path: Path
    """Nobody else writes it meanwhile."""
    most: int
    """Bytes there is room for."""
    progress: Callable[[int], None] = field(default=lambda _: None)
    """Told the bytes that are there, after each chunk."""
    make_room: Callable[[int], object] = field(default=lambda _: None)
    """Told how big the file gets, before it does; blocks; Failure where there is no room."""

    def expected(self) -> Expected:
        return Expected(self.source.sha256, self.source.size, self.most, self.make_room)


class Fetcher:
    """Fetches files; those under way share the cap."""

    def __init__(self, access: Access, throttle: Throttle | None = None) -> None:
        """ValueError where one of the allowed addresses is none."""
        self.throttle = throttle or Throttle()
        self._access = access
        self._guard = AddressGuard(access.allowed_addresses)

    async def fetch(self, order: Order) -> None:
        """Complete and verify `order.path`. Failure once every candidate failed; what arrived is kept."""
        async with opened(Partial, order.path) as partial:
            failures = []
            for uri in (order.source.uri, *order.source.mirrors):
                try:
                    return await self._from(uri, order, partial)
                except Failure as failure:
                    failures.append(failure)
            raise _together(failures)

    async def _from(self, uri: str, order: Order, partial: Partial) -> None:
        """One candidate, for as long as each connection brings something; one that drips is left for the next."""
        while True:
            before = partial.size
            try:
                return await self._connect(uri, order, partial)
            except Failure as failure:
                if failure.reason != Reason.SOURCE_UNREACHABLE or partial.size < before + LEAST_BYTES:
                    raise
            await asyncio.sleep(spread(RESUME_SECONDS, 0.5))

    async def _connect(self, uri: str, order: Order, partial: Partial) -> None:
        scheme = uri.partition("://")[0]
        if scheme in _LOCAL:
            await Copy(self._access.folders, order.expected(), order.progress).complete(uri, partial)
        elif scheme in _REMOTE:
            await self._download(uri, order, partial)
        else:
            message = f"{scheme}:// is not in this version of edgewise; give source.uri as https://, oci:// or s3://"
            raise Failure(Reason.SOURCE_REFUSED, message)

    async def _download(self, uri: str, order: Order, partial: Partial) -> None:
        tls = await asyncio.to_thread(trust, self._access.secrets, order.source)
        line = Line(self._guard, tls, self._access.stall_seconds, self.throttle.window)
        manner = Manner(self.throttle, self._access.stall_seconds, order.progress)
        async with Web(line) as web:
            request = await self._request(uri, order.source, web)
            await Transfer(request, order.expected(), manner).complete(web, partial)

    async def _request(self, uri: str, source: Source, web: Web) -> Request:
        """The GET that brings the file. Secrets are read at every try: a kubelet updates them in place."""
        if uri.startswith("s3://"):
            return _signed(uri, account(self._access.secrets, source))
        known = credentials(self._access.secrets, source)
        return await Registry(web, known).blob(uri, source) if uri.startswith("oci://") else _plain(uri, known)


def _plain(uri: str, known: Credentials) -> Request:
    """A user and password in the URL itself count where no Secret is named."""
    try:
        url = URL(uri)
        shown(url)
    except ValueError as error:
        raise Failure(Reason.SOURCE_REFUSED, "source.uri is no usable URL") from error
    inline = Credentials(username=url.user or "", password=url.password or "")
    return Request(url, private=authorized(known.header() or inline.header()))


def _signed(uri: str, who: s3.Account) -> Request:
    try:
        url = who.object(uri)
    except ValueError as error:
        raise Failure(Reason.SOURCE_REFUSED, "AWS_ENDPOINT_URL of source.secretRef is no usable URL") from error
    call = s3.Call("GET", url)
    return Request(url, private=s3.signed(call, who.keys, datetime.now(timezone.utc)))


def _together(failures: list[Failure]) -> Failure:
    """What is wrong with the source as a whole: unreachable while any candidate is, since that one may yet be right."""
    reasons = [failure.reason for failure in failures]
    reason = Reason.SOURCE_UNREACHABLE if Reason.SOURCE_UNREACHABLE in reasons else reasons[0]
    return Failure(reason, "; ".join(dict.fromkeys(failure.message for failure in failures)))
