"""Once a day, and at start: says that this deployment still lives here, and removes what nobody will come back to:
downloads that were given up, and what deployments left that are gone.
"""

from __future__ import annotations

import asyncio

from edgewise.contract.plan import PLAN_KEY
from edgewise_runtime.agent import departed, neighbours
from edgewise_runtime.agent.backoff import spread
from edgewise_runtime.agent.cache import Cache
from edgewise_runtime.agent.lastgood import SERVING
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.switching import Device

DAY_SECONDS = 86_400.0


class Housekeeping:
    """One per process."""

    def __init__(self, device: Device, plans: Plans, cache: Cache) -> None:
        self._device = device
        self._plans = plans
        self._cache = cache

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.to_thread(self._tidy)
            await asyncio.sleep(spread(DAY_SECONDS))

    def _tidy(self) -> None:
        plan = self._plans.current
        if plan is not None:
            cache = self._device.cache
            mine = cache / plan.deployment.uid
            here = mine / self._device.profile
            departed.sign(mine / PLAN_KEY)
            departed.sign(here / SERVING)
            departed.clear(cache, (mine, here))
            self._cache.sweep(neighbours.needed(cache))
