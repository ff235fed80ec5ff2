"""Fetches the file that a source describes, from its uri or a mirror, whatever the scheme. Called by agent/stock.py.

One call is one try: over all candidates in order, going on for as long as bytes arrive. When to try again is decided by
whoever called, so that there is one place that waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from yarl import URL

from edgewise.api.edgemodel import Source
from edgewise.api.names import Reason
from edgewise_runtime.agent.backoff import spread
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.fetch.addresses import AddressGuard
from edgewise_runtime.agent.fetch.credentials import credentials, trust
from edgewise_runtime.agent.fetch.oci import Registry
from edgewise_runtime.agent.fetch.partial import Partial
from edgewise_runtime.agent.fetch.transfer import Expected, Transfer
from edgewise_runtime.agent.fetch.web import Request, Web, shown
from edgewise_runtime.credentials import Credentials

RESUME_SECONDS = 0.5  # between the pieces of a link that gives a little and breaks


@dataclass(frozen=True)
class Access:
    """What the device's administrator allows, and where Secrets are mounted."""

    secrets: Path
    allowed_addresses: frozenset[str] = frozenset()
    """Loopback or link-local addresses and networks that models may come from all the same."""
    stall_seconds: float = 30.0
    """A connection that brings nothing for so long is given up: kserve#5611 is a download that hung for ever."""


@dataclass(frozen=True)
class Order:
    """What to fetch, into which file."""

    source: Source
    path: Path
    most: int
    """Bytes there is room for."""
    progress: Callable[[int], None] = field(default=lambda _: None)
    """Told the bytes that are there, after each chunk."""


class Fetcher:
    """Fetches one file at a time."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._guard = AddressGuard(access.allowed_addresses)

    async def fetch(self, order: Order) -> None:
        """Complete and verify `order.path`. Failure once every candidate failed; what arrived is kept."""
        partial = await asyncio.to_thread(Partial, order.path)
        with partial:
            failures = []
            for uri in (order.source.uri, *order.source.mirrors):
                try:
                    return await self._from(uri, order, partial)
                except Failure as failure:
                    failures.append(failure)
            raise _together(failures)

    async def _from(self, uri: str, order: Order, partial: Partial) -> None:
        """One candidate, for as long as each connection brings it further."""
        while True:
            before = partial.size
            try:
                return await self._connect(uri, order, partial)
            except Failure as failure:
                if failure.reason != Reason.SOURCE_UNREACHABLE or partial.size <= before:
                    raise
            await asyncio.sleep(spread(RESUME_SECONDS, 0.5))

    async def _connect(self, uri: str, order: Order, partial: Partial) -> None:
        source = order.source
        scheme = uri.partition("://")[0]
        if scheme not in ("http", "https", "oci"):
            message = f"{scheme}:// is not in this version of edgewise; give source.uri as https:// or oci://"
            raise Failure(Reason.SOURCE_REFUSED, message)
        known = credentials(self._access.secrets, source)
        tls = await asyncio.to_thread(trust, self._access.secrets, source)
        async with Web(self._guard, tls, self._access.stall_seconds) as web:
            if scheme == "oci":
                request = await Registry(web, known).blob(uri, source)
            else:
                request = _plain_request(uri, known)
            expected = Expected(source.sha256, source.size, order.most)
            await Transfer(request, expected, order.progress).complete(web, partial)


def _plain_request(uri: str, known: Credentials) -> Request:
    """A user and password in the URL itself count where no Secret is named."""
    try:
        url = URL(uri)
        shown(url)
    except ValueError as error:
        raise Failure(Reason.SOURCE_REFUSED, "source.uri is no usable URL") from error
    inline = Credentials(username=url.user or "", password=url.password or "")
    return Request(url, authorization=known.header() or inline.header())


def _together(failures: list[Failure]) -> Failure:
    """What is wrong with the source as a whole: unreachable while any candidate is, since that one may yet be right."""
    reasons = [failure.reason for failure in failures]
    reason = Reason.SOURCE_UNREACHABLE if Reason.SOURCE_UNREACHABLE in reasons else reasons[0]
    return Failure(reason, "; ".join(dict.fromkeys(failure.message for failure in failures)))
