"""Asks devices to report now, because there is a new plan for them. A poke carries nothing and no authority.

Where the pod network cannot be reached, the pod is annotated instead: that refreshes its mounted plan within a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime, timezone
from functools import partial

import aiohttp

from edgewise.api.names import METRICS_PORT, POKE_ANNOTATION
from edgewise.cluster.client import Client
from edgewise.cluster.errors import ApiError
from edgewise.cluster.resources import POD
from edgewise.controller.pacing import Insistence, Turns
from edgewise.core.observed import ObjectRef
from edgewise.core.outcome import Poke

_log = logging.getLogger(__name__)
A_SECOND = 100
"""Pokes: each brings a report, so this is what a new wave, or 300 devices that return at once, cost the operator. With
a second for each to answer it is also how many are open at the same time."""
_TIMEOUT = aiohttp.ClientTimeout(total=1.0)


class Poker:
    """Pokes in the background: no reconcile waits for a device."""

    def __init__(self, client: Client, session: aiohttp.ClientSession, port: int = METRICS_PORT) -> None:
        self._client = client
        self._session = session
        self._port = port
        self._turns = Turns(A_SECOND)
        self._open: dict[Poke, asyncio.Task[None]] = {}
        self._insistence: Insistence[Poke] = Insistence()

    def poke(self, pokes: Iterable[Poke]) -> None:
        """One poke a pod at a time; one that is still under way is not repeated."""
        for poke in pokes:
            if poke.ip and poke not in self._open:
                task = asyncio.create_task(self._poke(poke), name=f"poke {poke.pod}")
                self._open[poke] = task
                task.add_done_callback(partial(self._forget, poke))

    async def idle(self) -> None:
        """Returns when nothing is under way."""
        while self._open:
            await asyncio.wait(tuple(self._open.values()))

    async def close(self) -> None:
        """Gives up what is under way."""
        tasks = tuple(self._open.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def _forget(self, poke: Poke, _: asyncio.Task[None]) -> None:
        self._open.pop(poke, None)

    async def _poke(self, poke: Poke) -> None:
        await asyncio.sleep(self._turns.next(self._now()))
        if not await self._reached(poke) and poke.insist and self._insistence.may(poke, self._now()):
            await self._annotate(poke)

    async def _reached(self, poke: Poke) -> bool:
        host = f"[{poke.ip}]" if ":" in poke.ip else poke.ip
        try:
            async with self._session.post(f"http://{host}:{self._port}/poke", timeout=_TIMEOUT) as answer:
                return answer.status < 300 or answer.status == 429  # 429: it was asked a moment ago
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def _annotate(self, poke: Poke) -> None:
        ref = ObjectRef(POD.api_version, POD.kind, poke.namespace, poke.pod)
        stamp = datetime.now(timezone.utc).isoformat(timespec="seconds")
        try:
            await self._client.merge(ref, {"metadata": {"annotations": {POKE_ANNOTATION: stamp}}})
        except ApiError as error:
            _log.info("pod not poked", extra={"pod": poke.pod, "error": str(error)})
