"""Opens the spool that the plan wants, hands it to the data plane, and closes it when the plan wants another or none.

Its modules are imported by the first plan that wants one: a device without a spool need not hold them.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgewise.contract.plan import PlanSpool
from edgewise_runtime.agent.bell import heard
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.series import Sample
from edgewise_runtime.settings import Settings

if TYPE_CHECKING:
    from edgewise_runtime.server import Server
    from edgewise_runtime.spool.sink import Way
    from edgewise_runtime.spool.spool import Spool

log = logging.getLogger(__name__)

FOLDER = "spool"  # below <cache>/<deployment uid>


@dataclass(frozen=True)
class Wanted:
    """What a plan says of the spool, and where it would be."""

    folder: Path
    deployment: str
    spool: PlanSpool | None


class Spooling:
    """One per process."""

    def __init__(self, server: Server, plans: Plans, settings: Settings, way: Way) -> None:
        self._plane = server.plane
        self._metrics = server.metrics
        self._plans = plans
        self._device = settings.node_name
        self._room = settings.spool_room
        self._way = way
        self._spool: Spool | None = None
        self._news = plans.bell.listen()
        watch = server.metrics.watch
        watch("edgewise_spool_bytes", "Hard examples on the device's disk", (), lambda: self._read(lambda s: s.held))
        text = "Hard examples that wait to be sent"
        watch("edgewise_spool_examples", text, (), lambda: self._read(lambda s: s.examples))
        text = "Age of the oldest of them"
        watch("edgewise_spool_oldest_seconds", text, (), lambda: self._read(lambda s: s.age))

    async def run(self) -> None:
        """For ever."""
        while True:
            wanted = self._wanted()
            following = asyncio.ensure_future(self._follow(wanted))
            changed = asyncio.ensure_future(self._other_than(wanted))
            try:
                await asyncio.wait({following, changed}, return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    following.result()
                    await changed
            finally:
                following.cancel()
                changed.cancel()
                await asyncio.wait({following, changed})

    async def _follow(self, wanted: Wanted | None) -> None:
        """Until cancelled, where there is a spool to run."""
        if wanted is None:
            return
        if wanted.spool is None:
            await self._without(wanted.folder)
            return
        from edgewise_runtime.spool.record import Origin
        from edgewise_runtime.spool.spool import Home, Spool

        home = Home(wanted.folder, Origin(self._device, wanted.deployment), self._way)
        spool = Spool(wanted.spool, home, self._metrics)
        try:
            await spool.open()
            self._spool = self._plane.spool = spool
            await spool.run()
        finally:
            self._spool = self._plane.spool = None
            await spool.close()

    async def _without(self, folder: Path) -> None:
        """Nobody wants what an earlier plan had kept: it may have been forbidden since."""
        count = await asyncio.to_thread(_erase, folder)
        if count:
            self._metrics.spool_dropped.labels("off").inc(count)
            log.info("the plan has no spool any more; its examples are deleted", extra={"examples": count})

    async def _other_than(self, wanted: Wanted | None) -> None:
        while self._wanted() == wanted:
            await heard(self._news, None)

    def _wanted(self) -> Wanted | None:
        """None while no plan is known."""
        plan, folder = self._plans.current, self._plans.folder()
        if plan is None or folder is None:
            return None
        spool = plan.escalation.spool if plan.escalation and self._room else None
        if spool is not None:
            spool = spool.model_copy(update={"max_bytes": min(spool.max_bytes, self._room)})
        return Wanted(folder / FOLDER, f"{plan.deployment.namespace}/{plan.deployment.name}", spool)

    def _read(self, number: Callable[[Spool], float]) -> list[Sample]:
        return [((), number(self._spool))] if self._spool else []


def _erase(folder: Path) -> int:
    """How many examples there were."""
    count = len(list(folder.glob("*.npz")))
    shutil.rmtree(folder, ignore_errors=True)
    return count
