"""The second port: /metrics for Prometheus, /healthz and /readyz for the kubelet, POST /poke for the operator, and
/hold for whoever is at the device.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from edgewise_runtime.access.peer import Peer
from edgewise_runtime.errors import BadRequestError, NotFoundError, RateLimitedError, ServingError, shown
from edgewise_runtime.http import holding
from edgewise_runtime.http.answer import Answer, whole
from edgewise_runtime.http.application import IGNORED, Call, Respond, refusal, route_of
from edgewise_runtime.http.head import Head
from edgewise_runtime.http.holding import Desk
from edgewise_runtime.metrics import Metrics

_POKE_SECONDS = 1.0  # a poke only says "report now": a flood of them must not become a flood of reports
_PROMETHEUS = b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"


class Monitoring:
    """The metrics port's Application. `on_poke` is called at most once a second; whoever pokes learns nothing and
    commands nothing."""

    draining = False

    def __init__(self, metrics: Metrics, ready: Callable[[], bool]) -> None:
        self.on_poke: Callable[[], None] | None = None
        self.desk: Desk | None = None
        """Who takes holds; None: nothing here follows a plan."""
        self._metrics = metrics
        self._ready = ready
        self._next_poke = 0.0
        self._routes: dict[str, dict[str, Respond]] = {
            "metrics": {"GET": lambda _body: self._scrape},
            "healthz": {"GET": lambda _body: whole(b"ok\n")},
            "readyz": {"GET": self._readyz},
            "poke": {"POST": self._poke},
        }

    def call(self, head: Head) -> Call:
        try:
            if head.path == ("hold",) and self.desk is not None:
                return holding.call(head, self.desk)
            return Call(self._found(head), IGNORED)
        except ServingError as error:
            return refusal(error, guarded=False)

    def admit(self, head: Head, peer: Callable[[], Peer]) -> None:
        """Asked of /hold alone: the rest of this port is for the cluster's own, and not for the inference network."""
        if head.path == ("hold",):
            holding.admit(peer())

    def _found(self, head: Head) -> Respond:
        if len(head.path) != 1 or head.path[0] not in self._routes:
            raise NotFoundError(f"Not Found: {shown(head.target)}; there are /{', /'.join(self._routes)}")
        return route_of(head, self._routes[head.path[0]])

    async def _scrape(self) -> Answer:
        return whole(await self._metrics.render(), fields=_PROMETHEUS)

    def _readyz(self, _body: memoryview) -> Answer:
        return whole(b"ready\n") if self._ready() else whole(b"not ready\n", 503)

    def _poke(self, body: memoryview) -> Answer:
        if body:
            raise BadRequestError("a poke has no body")
        now = time.monotonic()
        if now < self._next_poke:
            raise RateLimitedError("the last poke was less than a second ago")
        self._next_poke = now + _POKE_SECONDS
        if self.on_poke is not None:
            self.on_poke()
        return whole(b"", 202)
