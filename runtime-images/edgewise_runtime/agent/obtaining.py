"""Brings all files of a release onto the node, judged and verified, before anything else is done with one.

Used by agent/switching.py for what shall serve and for what may serve later, and by agent/live.py for what did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from edgewise.api.edgemodel import Source
from edgewise.contract.plan import Plan
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.goals import Goal, GoalModel
from edgewise_runtime.agent.lastgood import spare
from edgewise_runtime.agent.loading import Files
from edgewise_runtime.agent.neighbours import needed
from edgewise_runtime.agent.progress import Progress
from edgewise_runtime.agent.stock import Room, Stock
from edgewise_runtime.agent.threads import to_the_end
from edgewise_runtime.agent.trusting import Trust, covered
from edgewise_runtime.trust.judging import Verified


class Obtaining:
    """One per process."""

    def __init__(self, cache: Path, profile: str, stock: Stock, trust: Trust) -> None:
        """`cache`: its folder, in which all deployments of the node say what they need."""
        self.profile = profile
        self._cache = cache
        self._stock = stock
        self._trust = trust

    async def files(self, goal: Goal, plan: Plan, serving: Goal | None, progress: Progress) -> dict[str, Files]:
        """By model; fetched where they are not here. Failure, with the model it is about."""
        here = goal.blobs() | (serving.blobs() if serving is not None else frozenset())
        keep, better = await to_the_end(self._needed)
        room = Room(plan.serving.cache_limit, keep | here, better)
        return {model.name: await self._of(model, room, progress) for model in goal.models}

    async def again(self, goal: Goal) -> dict[str, Files]:
        """Of a release that served before, by the cache alone. Failure or OSError where that does not do."""
        return {model.name: await self._once_more(model) for model in goal.models}

    async def here(self, goal: Goal) -> bool:
        """Whether nothing has to be fetched for `goal`. OSError where the disk is broken."""
        return all([await self._stock.holds(sha256) for sha256 in sorted(goal.blobs())])

    def _needed(self) -> tuple[frozenset[str], frozenset[str]]:
        """Files that must stay, whosever they are, and those that had better."""
        return needed(self._cache), spare(self._cache)

    async def _of(self, model: GoalModel, room: Room, progress: Progress) -> Files:
        async def small(source: Source) -> Path:
            return await self._stock.obtain(source, room, lambda _: None)

        try:
            verified = await self._trust.judged(model, small)
            if not await self._stock.holds(model.build.source.sha256):
                progress.downloading(model.name)
            path = await self._stock.obtain(model.build, room, lambda size: progress.downloaded(model.name, size))
            await covered(verified, path, model)
            return Files(path, await _golden(model, small), _signer(verified))
        except Failure as failure:
            failure.model = model.name
            raise

    async def _once_more(self, model: GoalModel) -> Files:
        judged = self._trust.judged(model, self._cached, again=True)  # imports for longer than it judges
        verified, path = await asyncio.gather(judged, self._cached(model.build.source))
        await covered(verified, path, model)
        return Files(path, signer=_signer(verified))

    async def _cached(self, source: Source) -> Path:
        if not await self._stock.holds(source.sha256):
            raise FileNotFoundError(f"the file of {source.uri} is not in the cache any more")
        return self._stock.path(source.sha256)


def _signer(verified: Verified | None) -> str:
    return verified.signer.shown if verified is not None else ""


async def _golden(model: GoalModel, obtain: Callable[[Source], Awaitable[Path]]) -> Path | str | None:
    """What the model's self test runs on."""
    if model.self_test is None or model.golden is None:
        return model.self_test.inline if model.self_test is not None else None
    return await obtain(model.golden)
