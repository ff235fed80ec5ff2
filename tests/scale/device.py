"""A simulated device: the runtime's own agent, but for what needs a model or a disk full of them.

Plans, reports, their back-off and jitter are the real ones; fetching and loading are a wait of the length that the
machine's character says. Started by the kubelets.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

from edgewise.contract.histogram import SECONDS
from edgewise.contract.plan import Plan
from edgewise.contract.report import Report, ReportReply
from edgewise.core.rollout.judgement import ANSWERS
from edgewise_runtime.access import Access
from edgewise_runtime.agent.bell import heard
from edgewise_runtime.agent.failure import Failure
from edgewise_runtime.agent.goals import Goal, goal_of
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.agent.progress import Progress, Running
from edgewise_runtime.agent.reporting import TIMEOUT_SECONDS, Reporter, ReportError, Reporting, Subject
from edgewise_runtime.escalation.targets import Targets
from edgewise_runtime.models import Models
from tests.scale.characters import LATENCY
from tests.scale.machines import Machine, Said, Served

REQUESTS = 20.0
"""Requests a second that clients send to each device."""


@dataclass(frozen=True)
class Home:
    """What a pod finds when it starts."""

    pod: str
    profile: str
    token: Path
    cache: Path
    plan: Path
    """Where its ConfigMap is mounted."""


class Device:
    """One pod on a machine."""

    def __init__(self, machine: Machine, home: Home) -> None:
        self.ready = asyncio.Event()
        """Set once it answers requests."""
        self.plans = Plans(home.cache, home.plan)
        self._machine = machine
        self._profile = home.profile
        self._models = Models()
        self._progress = Progress()
        self._version = self._model = ""
        self._counted_at = asyncio.get_running_loop().time()
        self._refused: dict[str, Failure] = {}
        reporter = Reporter(machine.name, home.pod, home.profile, home.token)
        subject = Subject(self._progress, self._models, Access(), Targets(home.cache))
        self._reporting = _Speech(self, machine, reporter, subject)

    async def run(self) -> None:
        """For ever."""
        await self.plans.start()
        self._machine.on_poke.add(self._reporting.wake)
        try:
            await asyncio.gather(self._follow(), self._reporting.run())
        finally:
            self._machine.on_poke.discard(self._reporting.wake)

    def count(self) -> None:
        """The requests since it was last asked, as the character answers them."""
        now = asyncio.get_running_loop().time()
        requests = int((now - self._counted_at) * REQUESTS)
        if self._models.release is None or not requests:
            return
        self._counted_at = now
        latency = self._machine.character.latency(self._version)
        tally = self._models.tallies.of(self._models.release)
        tally.requests += requests
        tally.failures += round(requests * self._machine.character.failing(self._version))
        tally.seconds += requests * latency
        tally.answers(self._model).seconds[bisect_left(SECONDS, latency)] += requests

    async def _follow(self) -> None:
        news = self.plans.bell.listen()
        while True:
            news.clear()
            if self.plans.current is not None:
                await self._reach(self.plans.current)
            await heard(news, None)

    async def _reach(self, plan: Plan) -> None:
        goal = goal_of(plan, plan.wanted(self._machine.name), self._profile)
        if not isinstance(goal, Goal):
            self._progress.no_build(goal)
            return
        self._progress.begin(goal)
        try:
            if goal.release != self._models.release:
                await self._load(goal)
            self._progress.ready({model.name: Running("CPUExecutionProvider") for model in goal.models})
        except Failure as failure:
            self._refused[goal.identity] = failure
            self._progress.failed(failure)

    async def _load(self, goal: Goal) -> None:
        if goal.identity in self._refused:
            raise self._refused[goal.identity]
        version = goal.models[0].version
        seconds = self._machine.character.load(version)
        self._progress.downloading(goal.models[0].name)
        await self._machine.link.wait()
        await asyncio.sleep(seconds)
        self._progress.loading()
        self.count()
        self._models.replace({}, goal.release, again=goal.retried)
        self._version, self._model = version, goal.models[0].name
        self._machine.served.append(Served(asyncio.get_running_loop().time(), version))
        self.ready.set()


class _Speech(Reporting):
    """Reports over the machine's link, in the words of its character."""

    def __init__(self, device: Device, machine: Machine, reporter: Reporter, subject: Subject) -> None:
        super().__init__(reporter, device.plans, subject)
        self._device = device
        self._machine = machine

    def build(self, plan: Plan) -> Report:
        self._device.count()
        return super().build(plan)

    async def _post(self, plan: Plan, report: Report) -> ReportReply:
        said = self._machine.character.say(report)
        if said is None:
            await asyncio.Event().wait()  # it hangs
            raise AssertionError("unreachable")
        if not await self._machine.reached(TIMEOUT_SECONDS):
            raise ReportError("the link is cut")
        reply = await super()._post(plan, said)
        now = asyncio.get_running_loop().time()
        self._machine.said.append(Said(now, reply.plan is not None, _reason_to_reject(said, self._machine)))
        return reply


def _reason_to_reject(report: Report, machine: Machine) -> str:
    """The version it speaks against, with all that it takes to judge by it; empty: none."""
    told = next(iter(report.models), None)
    if told is None:
        return ""
    counted = report.counters.get(report.release)
    answers = counted.requests if counted is not None and report.serving == report.release else 0
    errs = answers > 0 and machine.character.failing(told.version) > 0
    slow = answers >= ANSWERS and machine.character.latency(told.version) > LATENCY
    return told.version if told.state == "Failed" or errs or slow else ""
