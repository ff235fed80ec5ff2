"""Finds out which target has which model of the plan, and what it takes and gives: at each plan, and every few seconds.

A gateway is ready while a target has each model that was ever found. Requests do not wait for this: the policy asks the
targets whatever was seen last. Started by gateway/__init__.py.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from edgewise.api.escalation import Budget, EscalationWhen
from edgewise.contract.plan import Plan, PlanEscalation, PlanTarget
from edgewise_runtime.agent.bell import heard
from edgewise_runtime.agent.plans import Plans
from edgewise_runtime.escalation.targets import NoHelpError
from edgewise_runtime.gateway.session import RemoteSession
from edgewise_runtime.models import Models, ServedModel

if TYPE_CHECKING:
    from edgewise_runtime.server import Server

log = logging.getLogger(__name__)

RELEASE = "gateway"  # in metrics and reports: what answers is the targets' own
LOOK_SECONDS = 5.0
PATIENCE_SECONDS = 2.0  # for one target's word about one model; two looks fit before a Service notices
MISSES = 2  # looks in a row that find nobody before a model counts as gone: one lost packet is no outage


class Scouting:
    """One per process."""

    def __init__(self, server: Server, models: Models, plans: Plans) -> None:
        self._server = server
        self._models = models
        self._plans = plans
        self._news = plans.bell.listen()
        self._misses: dict[str, int] = {}

    async def run(self) -> None:
        """For ever."""
        while True:
            plan = self._plans.current
            if plan is not None:
                self._server.configure(plan.serving, proxied(plan.escalation))
                await self._look(plan)
            await heard(self._news, LOOK_SECONDS)

    async def _look(self, plan: Plan) -> None:
        targets = plan.escalation.targets if plan.escalation else []
        wanted = wanted_models(plan)
        found = await asyncio.gather(*(self._found(name, targets) for name in wanted))
        sessions = {name: self._seen(name, session) for name, session in zip(wanted, found, strict=True)}
        present = {
            name: ServedModel(name, wanted[name], RELEASE, session)
            for name, session in sessions.items()
            if session is not None
        }
        if present != self._models.current():
            self._models.replace(present, RELEASE)

    def _seen(self, name: str, found: RemoteSession | None) -> RemoteSession | None:
        """What to believe after this look; None: nobody has ever had it."""
        known = self._models.current().get(name)
        if found is not None:
            self._misses.pop(name, None)
            return found
        if known is None or not isinstance(known.session, RemoteSession):
            return None
        self._misses[name] = self._misses.get(name, 0) + 1
        return known.session if self._misses[name] < MISSES else replace(known.session, provider="")

    async def _found(self, name: str, targets: list[PlanTarget]) -> RemoteSession | None:
        """The word of the first target that has the model."""
        for target in targets:
            try:
                told = await self._server.targets.interface(target, name, PATIENCE_SECONDS)
            except NoHelpError as error:
                log.debug("target %s has no %s (%s): %s", target.name, name, error.result, error)
                continue
            return RemoteSession(told.inputs, told.outputs, told.platform, f"target:{target.name}")
        return None


def proxied(escalation: PlanEscalation | None) -> PlanEscalation | None:
    """As a gateway asks: about everything, for as long as its own timeout, without the devices' budget."""
    if escalation is None:
        return None
    timeout = escalation.gateway.timeout_seconds if escalation.gateway else escalation.timeout_seconds
    return escalation.model_copy(
        update={"when": EscalationWhen(), "budget": Budget(), "timeout_seconds": timeout, "spool": None}
    )


def wanted_models(plan: Plan) -> dict[str, str]:
    """{name: version} of what the plan's devices serve, pipelines included: of the target release, and where they are
    in the stable one, too, with the versions that clients know from there."""
    releases, wanted = {release.name: release for release in plan.releases}, dict[str, str]()
    for release in (releases.get(plan.target), releases.get(plan.stable or "")):
        if release is None:
            continue
        wanted |= {model.name: model.version for model in release.models}
        wanted |= {plan.deployment.name: release.name} if release.pipeline else {}
    return wanted
