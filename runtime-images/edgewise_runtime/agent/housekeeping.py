"""Once a day, and at start: says that this deployment still lives here, and removes downloads that were given up."""

from __future__ import annotations

import asyncio

from edgewise_runtime.agent import neighbours
from edgewise_runtime.agent.backoff import spread
from edgewise_runtime.agent.cache import Cache
from edgewise_runtime.agent.lastgood import LastGood
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
            LastGood(self._device.cache / plan.deployment.uid, self._device.profile).touch()
            neighbours.touch(self._device.cache, plan.deployment.uid)
            self._cache.sweep(neighbours.needed(self._device.cache))
