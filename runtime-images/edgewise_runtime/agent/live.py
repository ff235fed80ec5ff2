"""The release that serves: how it comes to, what is remembered of it, and the way back to the last good one.

That way needs neither network nor operator, and waits for nothing: the files are in the cache. Where memory cannot hold
two releases (serving.switch InPlace), each goes before the next one comes. Used by agent/switching.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from edgewise.contract.plan import Plan
from edgewise_runtime.agent.accelerators import running
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.goals import Goal, goal_of
from edgewise_runtime.agent.lastgood import DEATHS, LastGood
from edgewise_runtime.agent.loading import Files, Loaded, Loader
from edgewise_runtime.agent.obtaining import Obtaining
from edgewise_runtime.agent.progress import Progress
from edgewise_runtime.agent.proving import Proving, crashed, proved
from edgewise_runtime.agent.threads import to_the_end
from edgewise_runtime.agent.unloading import unload
from edgewise_runtime.models import Models

log = logging.getLogger(__name__)


class Live:
    """One per process."""

    def __init__(self, models: Models, loader: Loader, obtaining: Obtaining, progress: Progress) -> None:
        self.goal: Goal | None = None
        """What serves, or did until a moment ago."""
        self.between = False
        """No release serves: the old one was unloaded, and the new one is not there yet. That is gone through with."""
        self._models = models
        self._loader = loader
        self._obtaining = obtaining
        self._progress = progress
        self._proof: asyncio.Future[None] | None = None

    async def resume(self, goal: Goal, plan: Plan, memory: LastGood) -> Failure | None:
        """Serve `goal`, as the last process did; where that one died of it, the last good release, and say why."""
        if deaths := Proving(memory).deaths(goal):
            failure = crashed(goal, deaths)
            if await self._served_before(goal, plan, memory):
                if deaths >= DEATHS:
                    memory.refuse(goal, failure)
                return failure
        await self._again(goal, plan, memory)
        return None

    async def go_back(self, failure: Failure, plan: Plan, memory: LastGood) -> None:
        """From what serves to the last good release, and not to what serves again. Nothing, where there is no other."""
        bad = self.goal
        if bad is None:
            return
        if await self._served_before(bad, plan, memory):
            await to_the_end(memory.refuse, bad, failure)
        elif self._models.release is None:  # it was unloaded for one that does not load, and is better than nothing
            await self._restore(bad, bad, plan, memory)

    def in_the_way(self, goal: Goal, plan: Plan) -> bool:
        """Whether what serves has to be unloaded before `goal` is loaded."""
        return plan.serving.switch == "InPlace" and bool(self._models.current()) and self._loader.lacks(goal)

    async def replace(self, goal: Goal, files: Mapping[str, Files], plan: Plan, memory: LastGood) -> None:
        """`goal` in the place of what serves, which has to be unloaded for it. Failure, and then what served before
        serves again; it is final, since another try would take that away once more."""
        before = self.goal
        await self._loader.check(goal, files)
        self.between = True
        try:
            await unload(self._models, self._loader, goal)
            await self.switch(goal, await self._loader.load(goal, files, memory), memory)
        except Exception as error:
            await self._restore(before, goal, plan, memory)
            if isinstance(error, Failure):
                error.final = True
            raise
        finally:
            self.between = False

    async def switch(self, goal: Goal, loaded: Loaded, memory: LastGood, back: bool = False) -> None:
        """The one moment in which answers change: a request sees the old release or the new one. `back`: there is no
        other to go back to from `goal`, so it has nothing to prove."""
        try:
            on_trial = not back and await to_the_end(self._on_trial, goal, loaded, memory)
        except BaseException:
            loaded.discard()
            raise
        self._models.replace(loaded.models, goal.release, again=goal.retried)
        self._loader.serve(loaded)
        self.goal = goal
        providers = {name: model.session.provider for name, model in self._models.current().items()}
        log.info("serving", extra={"release": goal.release, "providers": providers})
        self._watch(goal if on_trial else None, memory)
        await to_the_end(memory.write, goal)  # before it is called ready: ready survives a restart
        await to_the_end(memory.forgive, goal)

    def stop(self, memory: LastGood | None) -> None:
        """The process ends because it was told to: nothing is held against what serves."""
        if self._proof is not None:
            self._proof.cancel()
        if memory is not None:
            Proving(memory).pause()

    async def _restore(self, before: Goal | None, failed: Goal, plan: Plan, memory: LastGood) -> None:
        """`before` again, or else the last good release. Where neither loads, this is a device that serves nothing."""
        if before is not None and await self._again(before, plan, memory):
            return
        if not await self._served_before(failed, plan, memory):
            await unload(self._models, self._loader, None)
            self.goal = None

    async def _served_before(self, bad: Goal, plan: Plan, memory: LastGood) -> bool:
        """Whether the last good release other than `bad` serves now: the fleet's stable one, or this device's own."""
        stable = goal_of(plan, plan.stable, self._obtaining.profile) if plan.stable is not None else None
        for goal in (stable, *await asyncio.to_thread(memory.good)):
            if not isinstance(goal, Goal) or goal.identity == bad.identity or memory.refused(goal) is not None:
                continue
            if await self._again(goal, plan, memory, back=True):
                log.warning("back at the last good release", extra={"release": goal.release, "from": bad.release})
                return True
        log.warning("there is no other release to go back to", extra={"release": bad.release})
        return False

    async def _again(self, goal: Goal, plan: Plan, memory: LastGood, back: bool = False) -> bool:
        """Whether `goal` serves now, by the files in the cache alone."""
        self._progress.begin(goal)
        try:
            files = await self._obtaining.again(goal)
            if self.in_the_way(goal, plan):
                await unload(self._models, self._loader, goal)
            await self.switch(goal, await self._loader.load(goal, files, memory), memory, back)
        except (Failure, OSError) as error:
            log.error("cannot serve a release again", extra={"release": goal.release, "detail": str(error)})
            return False
        self._progress.ready(running(self._models))
        return True

    def _on_trial(self, goal: Goal, loaded: Loaded, memory: LastGood) -> bool:
        """Whether `goal` has yet to prove itself; noted before it serves."""
        proving = Proving(memory)
        known = any(one.identity == goal.identity for one in memory.good())
        same = self.goal is not None and not loaded.fresh and not proving.watches(self.goal)
        if known or same:
            memory.prove(goal)
            return False
        if self.goal is not None and not memory.good():
            memory.prove(self.goal)  # not yet, but better than nothing to go back to
        proving.begin(goal)
        return True

    def _watch(self, goal: Goal | None, memory: LastGood) -> None:
        """Until `goal` has proved itself; None: there is nothing to prove."""
        if self._proof is not None:
            self._proof.cancel()
        self._proof = asyncio.ensure_future(self._prove(goal, memory)) if goal is not None else None

    async def _prove(self, goal: Goal, memory: LastGood) -> None:
        tally = self._models.tallies.of(goal.release)
        await proved(lambda: tally.requests)
        await to_the_end(Proving(memory).passed, goal)
