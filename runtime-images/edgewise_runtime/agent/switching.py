"""Brings this node to the release its plan wants, and keeps the last good one serving until then, whatever goes wrong.

fetch → verify → wait for the window → load beside the live release, or in its place → run once, and its self test →
swap → remember. A newer plan may overtake at any step but where nothing serves. A target that this node may not serve
yet is fetched all the same. Started by agent/__init__.py; reads Plans, writes Models and Progress.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewise.contract.plan import SECRETS_FOLDER, Plan
from edgewise_runtime.agent.accelerators import Accelerators, running
from edgewise_runtime.agent.bell import heard
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.goals import Goal, NoBuild, goal_of
from edgewise_runtime.agent.lastgood import REMEMBERED, LastGood
from edgewise_runtime.agent.live import Live
from edgewise_runtime.agent.loading import Loader
from edgewise_runtime.agent.obtaining import Obtaining
from edgewise_runtime.agent.permission import Permission, Wait
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.progress import Progress
from edgewise_runtime.agent.stock import Stock
from edgewise_runtime.agent.trusting import Trust
from edgewise_runtime.models import Models

log = logging.getLogger(__name__)

_Aims = tuple[Goal | NoBuild, Goal | None]


@dataclass(frozen=True)
class Device:
    """Who we are."""

    node: str
    profile: str
    cache: Path
    tuning: float = 2.0
    """Seconds a first load may take to find out how models run best."""
    secrets: Path = Path(SECRETS_FOLDER)
    """Where those with keys are mounted."""
    spread: float = 300.0
    """Seconds over which devices that may not switch yet spread their downloads: all of a fleet learn of a release in
    the same minute, and nobody waits for theirs."""


@dataclass(frozen=True)
class Means:
    """Whom switching asks."""

    stock: Stock
    permission: Permission
    trust: Trust


class Switching:
    """One per process."""

    def __init__(self, device: Device, plans: Plans, means: Means, models: Models) -> None:
        self.progress = Progress()
        self.accelerators = Accelerators(models, self.progress)
        self._device = device
        self._plans = plans
        self._permission = means.permission
        self._news = means.permission.bell.listen(plans.bell.listen())
        self._models = models
        self._obtaining = Obtaining(device.cache, device.profile, means.stock, means.trust)
        self._loader = Loader(device.cache, device.secrets, device.tuning, self.accelerators.changed)
        self._live = Live(models, self._loader, self._obtaining, self.progress)
        self._resumed = False
        self._given_back: Failure | None = None
        self._refused: dict[str, Failure] = {}
        self._crashed: dict[str, Failure] = {}
        self._tries = 0

    async def run(self) -> None:
        """Serve what was served last, then follow the plan for ever."""
        try:
            await self._resume()
            while True:
                self._news.clear()
                plan, wait = self._plans.current, None
                if plan is not None:
                    await self._go_back(plan)
                    wait = await self._unless_overtaken(plan)
                self._tries = 0 if await heard(self._news, wait) else self._tries + 1
        finally:
            plan = self._plans.current
            self._live.stop(self._memory(plan) if plan is not None else None)

    def give_back(self, failure: Failure) -> None:
        """What serves keeps failing: go back to the last good release, and leave this one alone from now on. Only asks
        for it; where there is nothing to go back to, it serves on."""
        self._given_back = failure
        self._news.set()

    async def _resume(self) -> None:
        """The last good release out of the cache, before anybody is asked anything."""
        plan, resumed, self._resumed = self._plans.current, self._resumed, True
        if plan is None or resumed:
            return
        memory = self._memory(plan)
        goal = memory.read()
        if goal is not None and (crash := await self._live.resume(goal, plan, memory)) is not None:
            self._crashed[goal.identity] = crash

    async def _go_back(self, plan: Plan) -> None:
        """Where that was asked for. No plan overtakes it."""
        failing, self._given_back = self._given_back, None
        if failing is not None:
            await self._live.go_back(failing, plan, self._memory(plan))

    async def _unless_overtaken(self, plan: Plan) -> float | None:
        """Follow `plan` until done, or until a newer one wants something else. Seconds until the next try, or None."""
        aims, heard_more = self._aims(plan), False
        task = asyncio.ensure_future(self._follow(plan, aims))
        try:
            while not await _done_before(task, self._news):
                self._news.clear()
                heard_more = True
                now = self._plans.current
                overtaken = now is not None and self._aims(now) != aims and not self._live.between
                if self._given_back is not None or overtaken:
                    break
            else:
                return task.result()
            return None
        finally:
            if heard_more:  # a hold, a window, or what to keep: whatever it was, it is looked at once more
                self._news.set()
            task.cancel()
            await asyncio.wait({task})

    def _aims(self, plan: Plan) -> _Aims:
        """The release to serve; and the target, where that is another one, to be fetched ahead."""
        wanted = plan.wanted(self._device.node)
        goal = goal_of(plan, wanted, self._device.profile)
        ahead = goal_of(plan, plan.target, self._device.profile) if plan.target != wanted else None
        return goal, ahead if isinstance(ahead, Goal) else None

    async def _follow(self, plan: Plan, aims: _Aims) -> float | None:
        """One try at the wanted release; where nothing serves at all, one at the stable one. Seconds to wait."""
        goal, ahead = aims
        if isinstance(goal, NoBuild):
            self.progress.no_build(goal)
            wait = None
        else:
            wait = await self._try(goal, plan, self.progress)
        if not self._models.current():
            return await self._take_stable(plan, goal, wait)
        return await self._fetch_ahead(ahead, plan) if wait is None and ahead is not None else wait

    async def _take_stable(self, plan: Plan, goal: Goal | NoBuild, wait: float | None) -> float | None:
        if plan.stable is None or plan.stable == goal.release:
            return wait
        stable = goal_of(plan, plan.stable, self._device.profile)
        if isinstance(stable, NoBuild):
            return wait
        log.info("nothing serves; falling back to the stable release", extra={"release": stable.release})
        waits = (wait, await self._try(stable, plan, Progress()))
        return min((seconds for seconds in waits if seconds is not None), default=None)

    async def _fetch_ahead(self, goal: Goal, plan: Plan) -> float | None:
        """The files of a release that this node may not serve yet. Nobody waits for them, so nobody hears of a failure
        before it matters. Seconds until the next try, or None."""
        progress = Progress()
        progress.begin(goal)
        try:
            if not await self._obtaining.here(goal):
                await asyncio.sleep(random.uniform(0.0, self._device.spread))  # noqa: S311  spreading load
            await self._obtaining.files(goal, plan, self._live.goal, progress)
        except Failure as failure:
            log.warning("the next release cannot be fetched yet", extra={"detail": failure.message})
            return failure.retry_after(self._tries)
        return None

    async def _try(self, goal: Goal, plan: Plan, progress: Progress) -> float | None:
        """Seconds until it is worth trying again; None: not before a newer plan."""
        progress.begin(goal)
        try:
            if refusal := await asyncio.to_thread(self._refusal, goal, plan):
                progress.failed(refusal)
                return None
            if crash := self._crashed.pop(goal.identity, None):
                raise crash
            return await self._reach(goal, plan, progress)
        except Failure as failure:
            progress.begin(goal)  # what served before may have come back meanwhile, and said so
            progress.failed(failure)
            return self._wait_after(failure, goal)

    def _refusal(self, goal: Goal, plan: Plan) -> Failure | None:
        """Why `goal` is not tried. One that did serve, and shall not again, is better than nothing all the same."""
        served = self._memory(plan).refused(goal) if self._models.current() else None
        return served or self._refused.get(goal.identity)

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

    async def _reach(self, goal: Goal, plan: Plan, progress: Progress) -> float | None:
        """Serve `goal`. Failure at any step, and then nothing has changed for those who ask. Seconds to wait, if it is
        too early."""
        if goal == self._live.goal:
            progress.ready(running(self._models))
            return None
        files = await self._obtaining.files(goal, plan, self._live.goal, progress)
        await self._permission.look()
        if early := self._too_early(goal, plan):
            return _postponed(early, progress)
        progress.loading()
        memory = self._memory(plan)
        if self._live.in_the_way(goal, plan):
            await self._live.replace(goal, files, plan, memory)
        else:
            loaded = await self._loader.load(goal, files, memory)
            if early := self._too_early(goal, plan):  # a load takes its time
                loaded.discard()
                return _postponed(early, progress)
            await self._live.switch(goal, loaded, memory)
        self._refused.pop(goal.untried.identity, None)
        progress.ready(running(self._models))
        return None

    def _too_early(self, goal: Goal, plan: Plan) -> Wait | None:
        """By the newest plan: the one that is followed may want the same, and at another time."""
        return self._permission.wait(self._plans.current or plan, goal.release, self._models.release)

    def _memory(self, plan: Plan) -> LastGood:
        return LastGood(self._device.cache / plan.deployment.uid, self._device.profile)


def _postponed(early: Wait, progress: Progress) -> float | None:
    progress.waiting(early.reason, early.message)
    return early.seconds


async def _done_before(task: asyncio.Future[float | None], news: asyncio.Event) -> bool:
    """Whether the task ended; else there is news."""
    ring = asyncio.ensure_future(news.wait())
    either: set[asyncio.Future[Any]] = {task, ring}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ring.cancel()
    return task.done()
