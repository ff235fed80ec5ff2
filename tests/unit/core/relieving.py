"""Worlds with a gateway: what the tests of its turns and of itself share."""

from __future__ import annotations

from typing import Any

from edgewise.api.names import GATEWAY_ROLE, ROLE_LABEL
from edgewise.core.outcome import Plan
from tests.unit.core.builders import node
from tests.unit.core.fleets import PI, settled
from tests.unit.core.world import World

CLOUD = node("cloud", device="none")
TARGETS = [{"name": "cloud", "url": "http://triton.cloud.svc:8000"}]
WORKLOAD = ("Deployment", "digits-gateway")
NAMES = [one.name for one in PI]


def fleet(**escalation: Any) -> World:
    """Five devices that serve, a node that is none, and a gateway that stands by."""
    return settled([*PI, CLOUD], escalation={"targets": TARGETS, **escalation})


def after(seconds: float, world: World) -> Plan:
    """What the look then comes to; the world settles."""
    world.now += seconds
    plan = world.reconcile()
    world.live()
    world.settle()
    return plan


def leads_to(world: World, service: str = "digits") -> str:
    return str(world.children["Service", service]["spec"]["selector"][ROLE_LABEL])


def outage(world: World) -> World:
    """All devices are gone, and the gateway has taken over."""
    world.cut(*NAMES)
    world.live()
    after(0, world)
    after(31, world)
    assert leads_to(world) == GATEWAY_ROLE
    return world
