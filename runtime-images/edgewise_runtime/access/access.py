"""The door of the serving ports. Made by the server; HTTP and gRPC ask it once a request, before they take a body."""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
import time
from collections.abc import Callable

from edgewise.api.access import RateLimit
from edgewise.contract.report import AccessReport
from edgewise_runtime import mounts
from edgewise_runtime.access.mounted import Demands, Mounted
from edgewise_runtime.access.peer import Peer
from edgewise_runtime.access.rates import Rates
from edgewise_runtime.access.tokens import bearer
from edgewise_runtime.errors import RateLimitedError, UnauthorizedError, UnavailableError

log = logging.getLogger(__name__)

_COUNTED = 256  # clients counted by name; a CA may sign thousands, and those beyond are `other` together

Count = Callable[[str, str], None]
"""Told (client, result) of each request. result: admitted, unauthorized, limited, closed."""


class Access:
    """Used from the event loop only."""

    def __init__(self, demands: Demands | None = None, count: Count | None = None) -> None:
        """Without demands anybody may ask, until there is a rate."""
        self._demands = demands or Demands()
        self.open = not self._demands
        """True: nothing is demanded and nothing counted; both transports look here, and then need not ask."""
        self.on_change: Callable[[], None] | None = None
        """Called when `problem` has changed."""
        self._mounted = Mounted(self._demands)
        self._count = count
        self._names: set[str] = set()
        self._rate: RateLimit | None = None
        self._rates: tuple[Rates, Rates] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """False: nobody is admitted, because what clients show cannot be checked."""
        return self._mounted.ready

    @property
    def problem(self) -> str:
        """What a person should change about the Secrets; empty: all is well. It holds none of them."""
        return self._mounted.problem

    def report(self) -> AccessReport | None:
        """What the operator is told; None: nothing is demanded."""
        return AccessReport(demands=self._demands.names, problem=self.problem) if self._demands else None

    def limit(self, rate: RateLimit | None) -> None:
        """How often each client may ask from now on; None: as often as it likes."""
        if rate != self._rate:
            self._rate = rate
            self._rates = (_rates(rate), _rates(rate)) if rate else None
            self.open = not self._demands and rate is None

    def admit(self, authorization: bytes | str | None, peer: Peer) -> None:
        """Lets a request in; `authorization`: its header.

        UnauthorizedError, RateLimitedError; UnavailableError where nobody can be checked. They repeat nothing of what
        the client sent, and tell nothing that it does not know."""
        if not self.ready:
            self._note("", "closed")
            raise UnavailableError("this device cannot check who asks yet; the status of its EdgeDeployment says why")
        try:
            client = self._known(authorization, peer)
        except UnauthorizedError:
            self._spend("", peer)  # a wrong guess counts like a request
            self._note("", "unauthorized")
            raise
        self._spend(client, peer)
        self._note(client, "admitted")

    def _known(self, authorization: bytes | str | None, peer: Peer) -> str:
        """Who asks: the token's client, else the certificate's; empty where neither is demanded."""
        if self._demands.client_ca and not peer.certificate:
            raise UnauthorizedError("show a client certificate that has a common name or an alternative name")
        if not self._demands.tokens:
            return peer.certificate if self._demands.client_ca else ""
        token = bearer(authorization)
        if token is None:
            raise UnauthorizedError("a token is needed: send the header Authorization: Bearer <token>")
        client = self._mounted.tokens.client(token)
        if client is None:
            raise UnauthorizedError("this token is not one of those admitted here")
        return client

    def _spend(self, client: str, peer: Peer) -> None:
        """One request of the rate. Names and addresses are kept apart, so that no crowd of strangers drives a client
        out of memory."""
        if self._rates is None:
            return
        by_name, by_address = self._rates
        now = time.monotonic_ns()
        wait = by_name.take(client, now) if client else by_address.take(peer.address, now)
        if wait > 0:
            self._note(client, "limited")
            error = RateLimitedError(f"more requests than a client may make; the next one in {wait:.3g} s")
            error.retry_after = math.ceil(wait)
            raise error

    def _note(self, client: str, result: str) -> None:
        if self._count is None:
            return
        if client not in self._names and len(self._names) < _COUNTED:
            self._names.add(client)
        self._count(client if client in self._names else "other", result)

    def tls(self) -> ssl.SSLContext | None:
        """For both ports, for the life of the server: certificates are renewed inside it. None: plain text."""
        return self._mounted.certificates.context if self._mounted.certificates else None

    def start(self) -> None:
        """Keeps an eye on the mounted files until `close`."""
        if self._demands:
            self._watching = asyncio.ensure_future(self._watch())

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})

    async def _watch(self) -> None:
        said = ""
        while True:
            self._mounted.refresh()
            if self.problem != said:
                said = self.problem
                self._say(said)
            await asyncio.sleep(mounts.LOOK_SECONDS)

    def _say(self, problem: str) -> None:
        if problem:
            log.warning("not all clients can be admitted as wished", extra={"detail": problem})
        else:
            log.info("all clients can be admitted as wished again")
        if self.on_change is not None:
            self.on_change()


def _rates(rate: RateLimit) -> Rates:
    return Rates(rate.requests_per_second, rate.burst or rate.requests_per_second)
