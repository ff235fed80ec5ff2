"""The reporting half of a device, for tests that hold the rest in their hands."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from edgewise.contract.plan import Plan
from edgewise_runtime.access import Access, Demands
from edgewise_runtime.agent.clock import Clock
from edgewise_runtime.agent.goals import Goal, goal_of
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.progress import Progress
from edgewise_runtime.agent.reporting import Reporter, Reporting, Subject
from edgewise_runtime.escalation.targets import Targets
from edgewise_runtime.models import Models
from tests.runtime.agent.devices import mount
from tests.runtime.agent.documents import NODE, PROFILE


class Edge:
    """On a folder of the test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.token = root / "token"
        self.token.write_text("first\n")
        self.plans = Plans(root / "cache", root / "plan")
        self.progress = Progress()
        reporter = Reporter(NODE, "pod-1", PROFILE, self.token, boot="boot-1")
        self.clients = root / "digits-clients"
        self.access = Access(Demands(tokens=self.clients))
        self.models = Models()
        self.targets = Targets(root / "secrets")
        self.ahead = 0.0
        """Seconds that this device's clock is wrong by."""
        self.clock = Clock(root / "cache", lambda: time.time() + self.ahead)
        subject = Subject(self.progress, self.models, self.access, self.targets, self.clock)
        self.reporting = Reporting(reporter, self.plans, subject)

    async def follow(self, document: Plan) -> None:
        mount(self.root / "plan", document)
        await self.plans.poll()

    @contextlib.asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        task = asyncio.ensure_future(self.reporting.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def goal(document: Plan) -> Goal:
    found = goal_of(document, document.target, PROFILE)
    assert isinstance(found, Goal)
    return found
