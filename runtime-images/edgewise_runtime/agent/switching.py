"""Brings this node to the release its plan wants, and keeps the last good one serving until then, whatever goes wrong.

fetch → verify → load beside the live release → run once → swap → remember. A newer plan may overtake at any step.
Started by agent/__init__.py; reads Plans, writes Models and Progress.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewise.contract.plan import Plan
from edgewise_runtime.agent.accelerators import Accelerators, running
from edgewise_runtime.agent.bell import heard
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.goals import Goal, GoalModel, NoBuild, files_needed, goal_of
from edgewise_runtime.agent.lastgood import LastGood, pinned
from edgewise_runtime.agent.loading import Loaded, Loader
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.progress import Progress
from edgewise_runtime.agent.stock import Room, Stock
from edgewise_runtime.models import Models

log = logging.getLogger(__name__)

REMEMBERED = 32  # releases that do not load here; more than any plan names


@dataclass(frozen=True)
class Device:
    """Who we are."""

    node: str
    profile: str
    cache: Path
    tuning: float = 2.0
    """Seconds a first load may take to find out how models run best."""


class Switching:
    """One per process."""

    def __init__(self, device: Device, plans: Plans, stock: Stock, models: Models) -> None:
        self.progress = Progress()
        self._device = device
        self._plans = plans
        self._news = plans.bell.listen()
        self._stock = stock
        self._models = models
        self.accelerators = Accelerators(models, self.progress)
        self._loader = Loader(device.cache, device.tuning, self.accelerators.changed)
        self._serving: Goal | None = None
        self._resumed = False
        self._refused: dict[str, Failure] = {}
        self._tries = 0

    async def run(self) -> None:
        """Serve what was served last, then follow the plan for ever."""
        await self._resume()
        while True:
            self._news.clear()
            plan = self._plans.current
            wait = await self._unless_overtaken(plan) if plan is not None else None
            self._tries = 0 if await heard(self._news, wait) else self._tries + 1

    async def _resume(self) -> None:
        """The last good release out of the cache, before anybody is asked anything."""
        plan, resumed, self._resumed = self._plans.current, self._resumed, True
        goal = self._memory(plan).read() if plan is not None and not resumed else None
        if plan is None or goal is None:
            return
        self.progress.begin(goal)
        try:
            paths = {model.name: await self._from_cache(model) for model in goal.models}
            self._switch(goal, await self._loader.load(goal, paths, self._memory(plan)))
            self.progress.ready(running(self._models))
        except (Failure, OSError) as error:
            log.error("cannot serve the last good release again", extra={"release": goal.release, "detail": str(error)})

    async def _from_cache(self, model: GoalModel) -> Path:
        sha256 = model.build.source.sha256
        if not await self._stock.holds(sha256):
            raise FileNotFoundError(f"the file of model {model.name} is not in the cache any more")
        return self._stock.path(sha256)

    async def _unless_overtaken(self, plan: Plan) -> float | None:
        """Follow `plan` until done, or until a newer one wants something else. Seconds until the next try, or None."""
        goal = self._goal(plan)
        task = asyncio.ensure_future(self._follow(plan, goal))
        try:
            while not await _done_before(task, self._news):
                self._news.clear()
                if self._plans.current is not None and self._goal(self._plans.current) != goal:
                    self._news.set()
                    return None
            return task.result()
        finally:
            task.cancel()
            await asyncio.wait({task})

    def _goal(self, plan: Plan) -> Goal | NoBuild:
        return goal_of(plan, plan.wanted(self._device.node), self._device.profile)

    async def _follow(self, plan: Plan, goal: Goal | NoBuild) -> float | None:
        """One try at the wanted release; where nothing serves at all, one at the stable one. Seconds to wait."""
        if isinstance(goal, NoBuild):
            self.progress.no_build(goal)
            wait = None
        else:
            wait = await self._try(goal, plan, self.progress)
        if self._models.current() or plan.stable is None or plan.stable == goal.release:
            return wait
        stable = goal_of(plan, plan.stable, self._device.profile)
        if isinstance(stable, NoBuild):
            return wait
        log.info("nothing serves; falling back to the stable release", extra={"release": stable.release})
        waits = (wait, await self._try(stable, plan, Progress()))
        return min((seconds for seconds in waits if seconds is not None), default=None)

    async def _try(self, goal: Goal, plan: Plan, progress: Progress) -> float | None:
        """Seconds until it is worth trying again; None: not before a newer plan."""
        progress.begin(goal)
        try:
            if goal.identity in self._refused:
                raise self._refused[goal.identity]
            await self._reach(goal, plan, progress)
        except Failure as failure:
            progress.failed(failure)
            return self._wait_after(failure, goal)
        return None

    def _wait_after(self, failure: Failure, goal: Goal) -> float | None:
        wait = failure.retry_after(self._tries)
        if wait is None:
            self._refused[goal.identity] = failure
            for oldest in list(self._refused)[:-REMEMBERED]:
                del self._refused[oldest]
        log.warning(
            "the release cannot be served yet; what serves goes on",
            extra={"release": goal.release, "reason": failure.reason, "detail": failure.message, "retry_seconds": wait},
        )
        return wait

    async def _reach(self, goal: Goal, plan: Plan, progress: Progress) -> None:
        """Serve `goal`. Failure at any step, and then nothing has changed for those who ask."""
        if goal == self._serving:
            progress.ready(running(self._models))
            return
        room = await asyncio.to_thread(self._room, plan)
        paths = {model.name: await self._obtain(model, room, progress) for model in goal.models}
        progress.loading()
        memory = self._memory(plan)
        self._switch(goal, await self._loader.load(goal, paths, memory))
        await asyncio.to_thread(memory.write, goal)  # before it is called ready: ready survives a restart
        progress.ready(running(self._models))

    async def _obtain(self, model: GoalModel, room: Room, progress: Progress) -> Path:
        progress.downloading(model.name)
        try:
            return await self._stock.obtain(
                model.build.source, room, lambda size: progress.downloaded(model.name, size)
            )
        except Failure as failure:
            failure.model = model.name
            raise

    def _switch(self, goal: Goal, loaded: Loaded) -> None:
        """The one moment in which answers change: a request sees the old release or the new one."""
        self._models.replace(loaded.models, goal.release)
        self._loader.serve(loaded)
        self._serving = goal
        providers = {name: model.session.provider for name, model in self._models.current().items()}
        log.info("serving", extra={"release": goal.release, "providers": providers})

    def _room(self, plan: Plan) -> Room:
        serving = self._serving.blobs() if self._serving is not None else frozenset()
        keep = pinned(self._device.cache) | files_needed(plan, self._device.profile) | serving
        return Room(plan.serving.cache_limit, keep)

    def _memory(self, plan: Plan) -> LastGood:
        return LastGood(self._device.cache / plan.deployment.uid, self._device.profile)


async def _done_before(task: asyncio.Future[float | None], news: asyncio.Event) -> bool:
    """Whether the task ended; else there is news."""
    ring = asyncio.ensure_future(news.wait())
    either: set[asyncio.Future[Any]] = {task, ring}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ring.cancel()
    return task.done()
