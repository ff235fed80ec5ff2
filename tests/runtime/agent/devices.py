"""A device of a test: the agent's own parts on a folder of the test, following whatever plan is mounted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

from edgewise.contract.plan import PLAN_KEY, Plan
from edgewise.contract.report import ModelReport
from edgewise.contract.trust import Policies
from edgewise_runtime.agent.cache import Cache
from edgewise_runtime.agent.clock import Clock
from edgewise_runtime.agent.fetch import Access, Fetcher
from edgewise_runtime.agent.holds import Holds
from edgewise_runtime.agent.permission import Permission
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.stock import Stock
from edgewise_runtime.agent.switching import Device, Means, Switching
from edgewise_runtime.agent.trusting import Trust
from edgewise_runtime.models import Models
from tests.runtime.agent.documents import NODE, PROFILE, plan, release, source
from tests.runtime.agent.fileserver import FileServer
from tests.runtime.agent.tinymodels import ONE
from tests.runtime.agent.waiting import until


class TestDevice:
    """`root` survives it: another device on the same root is the same device after a restart."""

    __test__ = False

    def __init__(self, root: Path, policies: Policies | None = None) -> None:
        """`policies`: what its pod was made to demand."""
        self.cache = root / "cache"
        self.plan_folder = root / "plan"
        self.models = Models()
        self.plans = Plans(self.cache, self.plan_folder)
        access = Access(root / "secrets", frozenset({"127.0.0.1"}), stall_seconds=1.5)
        self.clock = Clock(self.cache)
        self.holds = Holds(root / "hold", 3600.0, self.plans.folder, self.clock)
        stock, trust = Stock(Cache(self.cache), Fetcher(access)), Trust(access.secrets, self.clock, policies)
        means = Means(stock, Permission(self.clock, self.holds), trust)
        who = Device(NODE, PROFILE, self.cache, secrets=access.secrets, spread=0.0)
        self.switching = Switching(who, self.plans, means, self.models)

    async def follow(self, document: Plan) -> None:
        """Mount it and have it seen at once."""
        mount(self.plan_folder, document)
        await self.plans.poll()

    @property
    def states(self) -> dict[str, tuple[str, str]]:
        """{model: (state, reason)} of the release being gone to."""
        return {model.name: (model.state, model.reason) for model in self.switching.progress.models}

    def goes_for(self, release: str) -> bool:
        """Whether it has begun with that, or found out why not."""
        pending = any(state == "Pending" for state, _ in self.states.values())
        return self.switching.progress.release == release and not pending

    def report(self, model: str) -> ModelReport:
        return next(report for report in self.switching.progress.models if report.name == model)

    def answer(self, model: str = "digits") -> float:
        """What the served model makes of a 1."""
        with self.models.acquire(model) as served:
            (result,) = served.session.run({"x": np.ones((1, 4), np.float32)}, ["y"])
        return float(result.flat[0])

    async def until_serving(self, release: str) -> None:
        """Served, and known to be."""

        def settled() -> bool:
            return self.models.release == release and self.states == dict.fromkeys(self.states, ("Ready", ""))

        await until(settled, f"{release} is served")

    async def until_state(self, state: str, reason: str, model: str = "digits") -> None:
        await until(lambda: self.states.get(model) == (state, reason), f"{model} is {state} {reason}")


def one_model(server: FileServer, name: str, content: bytes) -> Plan:
    """A plan whose only release is `name`, with `content` as its model."""
    return plan(1, release(name, {"digits": source(server.add(f"/{name}", content), content)}))


async def serving_one(edge: TestDevice, server: FileServer) -> Plan:
    """What most stories begin with: it serves release r1, the model ONE. Its plan."""
    first = one_model(server, "r1", ONE)
    await edge.follow(first)
    await edge.until_serving("r1")
    return first


def mount(folder: Path, document: Plan) -> None:
    """Swap the mounted plan in one step."""
    folder.mkdir(exist_ok=True)
    fresh = folder / "fresh"
    fresh.write_text(document.model_dump_json(by_alias=True, exclude_none=True))
    fresh.replace(folder / PLAN_KEY)


@contextlib.asynccontextmanager
async def device(root: Path, policies: Policies | None = None) -> AsyncIterator[TestDevice]:
    """On until the block ends, then off as by SIGTERM. An error in the agent fails the test."""
    running = TestDevice(root, policies)
    await running.plans.start()
    parts = [running.switching.run(), running.switching.accelerators.run(), running.holds.run()]
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        yield running
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        running.models.replace({}, "off")
