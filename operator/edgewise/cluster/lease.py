"""Leader election on a Lease: of all operator processes only its holder writes, watches and answers reports.

Normally there is one process (one replica, Recreate), and the Lease is the belt to these braces: a second one, started
by hand or left on a cut-off node, waits. The holder that cannot renew in time must stop: `hold` returns, main exits.
"""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from edgewise.cluster.client import Client
from edgewise.cluster.errors import ApiError, ConflictError, NotFoundError
from edgewise.cluster.resources import LEASE, reference
from edgewise.core.observed import ObjectRef
from edgewise.core.outcome import Manifest

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeaseTiming:
    """Seconds. The holder gives up before anybody else may take over, whatever the clocks say."""

    duration: float = 30.0
    """A lease not renewed for so long, as the waiting process itself sees it, is free."""
    give_up: float = 20.0
    """The holder stops when it could not renew for so long."""
    renew: float = 10.0
    """Between renewals: the only steady write of an idle operator."""
    retry: float = 2.0
    """Between attempts while waiting, or after a failed renewal."""


TIMING = LeaseTiming()


class Lease:
    """One process's claim on a Lease object."""

    def __init__(self, client: Client, namespace: str, name: str, identity: str, timing: LeaseTiming = TIMING) -> None:
        self._client = client
        self._ref = ObjectRef(LEASE.api_version, LEASE.kind, namespace, name)
        self._identity = identity
        self._timing = timing
        self._held: ObjectRef | None = None
        self._seen: tuple[str, float] = ("", 0.0)

    async def acquire(self) -> None:
        """Returns when the Lease is ours. An API server that cannot be reached is waited for."""
        waiting_for = None
        while True:
            try:
                holder = await self._try()
            except ApiError as error:
                _log.warning("cannot reach the lease", extra={"lease": self._ref.name, "error": str(error)})
                holder = ""
            if holder is None:
                _log.info("leading", extra={"lease": self._ref.name, "identity": self._identity})
                return
            if holder and holder != waiting_for:
                _log.info("waiting: another operator leads", extra={"lease": self._ref.name, "holder": holder})
                waiting_for = holder
            await asyncio.sleep(self._timing.retry)

    async def hold(self) -> None:
        """Renews; returns only when the Lease is lost. After that this process must not write any more."""
        clock, timing = asyncio.get_running_loop().time, self._timing
        deadline, pause = clock() + timing.give_up, timing.renew
        while clock() < deadline:
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout_at(deadline):
                    taken_by = await self._renew()
            except (ApiError, TimeoutError) as error:
                _log.warning("lease not renewed", extra={"lease": self._ref.name, "error": str(error)})
                pause = timing.retry
                continue
            if taken_by:
                _log.error("lease taken by another operator", extra={"lease": self._ref.name, "holder": taken_by})
                return
            deadline, pause = clock() + timing.give_up, timing.renew
        _log.error("lease lost: it could not be renewed in time", extra={"lease": self._ref.name})

    async def release(self) -> None:
        """Lets the next process lead at once. Failing to is no harm: the Lease runs out."""
        if self._held is None:
            return
        try:
            await self._client.merge(self._held, {"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}})
        except ApiError as error:
            _log.warning("lease not released", extra={"lease": self._ref.name, "error": str(error)})
        self._held = None

    async def _try(self) -> str | None:
        """None when it is ours now, else the name of the holder."""
        try:
            lease = await self._client.get(self._ref)
        except NotFoundError:
            return await self._take(None)
        holder = lease.get("spec", {}).get("holderIdentity") or ""
        if holder in ("", self._identity) or self._run_out(lease):
            return await self._take(lease)
        return str(holder)

    async def _take(self, lease: Manifest | None) -> str | None:
        spec = {**self._spec(), "acquireTime": _now()}
        try:
            if lease is None:
                body = {
                    "apiVersion": LEASE.api_version,
                    "kind": LEASE.kind,
                    "metadata": {"namespace": self._ref.namespace, "name": self._ref.name},
                    "spec": spec,
                }
                self._held = reference(await self._client.create(body))
            else:
                turns = lease.get("spec", {}).get("leaseTransitions", 0) + 1
                taken = await self._client.merge(reference(lease), {"spec": {**spec, "leaseTransitions": turns}})
                self._held = reference(taken)
        except ConflictError:
            return "somebody quicker"
        return None

    async def _renew(self) -> str:
        """Empty when it is still ours, else the name of the new holder."""
        held = self._held or self._ref
        try:
            self._held = reference(await self._client.merge(held, {"spec": self._spec()}))
            return ""
        except ConflictError:
            # Perhaps an earlier renewal of ours arrived although its answer did not.
            lease = await self._client.get(self._ref)
            holder = str(lease.get("spec", {}).get("holderIdentity") or "nobody")
            self._held = reference(lease) if holder == self._identity else None
            return "" if self._held is not None else holder

    def _run_out(self, lease: Manifest) -> bool:
        """Whether nobody renewed it for `duration` while we looked: our own clock, never a comparison of two."""
        version, now = lease["metadata"]["resourceVersion"], asyncio.get_running_loop().time()
        if self._seen[0] != version:
            self._seen = (version, now)
        return now - self._seen[1] > self._timing.duration

    def _spec(self) -> dict[str, Any]:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": math.ceil(self._timing.duration),
            "renewTime": _now(),
        }


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
