"""Fleets that get releases wave by wave: what the tests of rollouts share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edgewise.api.deviceprofile import DeviceProfile
from edgewise.api.edgemodel import EdgeModel
from edgewise.contract.report import Counters
from edgewise.core.observed import Node
from tests.unit.core.builders import model, node, released
from tests.unit.core.fleets import settled
from tests.unit.core.world import World

SOAK = 600.0
WAVES = [{"nodes": 1}, {"percent": 50}]
V1, V2, V3 = (model(version=f"{number}.0.0") for number in (1, 2, 3))
A, B, C = (released(one).name for one in (V1, V2, V3))


def pis(count: int) -> list[Node]:
    return [node(f"pi-{i}") for i in range(1, count + 1)]


def fleet(
    nodes: Iterable[Node] = (),
    waves: Any = WAVES,
    gates: Any = None,
    profiles: Iterable[DeviceProfile] | None = None,
    models: Iterable[EdgeModel] | None = None,
    **rollout: Any,
) -> World:
    """Six devices that serve A, for which rollouts go by waves: one, three, all."""
    asked = {"waves": waves, **({"gates": gates} if gates is not None else {}), **rollout}
    return settled(list(nodes) or pis(6), profiles, models, rollout=asked)


def roll(made: World, to: EdgeModel = V2) -> World:
    """A person sets a new version; what comes of it until nothing moves but time."""
    made.release(to)
    return after(made, 0)


def after(made: World, seconds: float) -> World:
    made.now += seconds
    made.live()  # devices go on reporting
    made.settle()
    return made


def having(made: World, release: str = B) -> set[str]:
    """Nodes whose device answers with the release."""
    return {name for name, served in made.served().items() if served == release}


def stage(made: World) -> tuple[int, str]:
    """Number of the wave, and what it waits for."""
    told = made.status["rollout"]
    return told["wave"], told["reason"].partition(":")[0]


def answered(made: World, requests: int, failures: int = 0, release: str = B) -> None:
    """By every device that serves it, in all."""
    for name in having(made, release):
        made.counters[name, release] = Counters(requests=requests, failures=failures)


def restart(made: World) -> None:
    """The operator: what it had in memory is gone, and devices report again in their own time."""
    made.reports.clear()
    made.heard_since = made.now


def rejected(made: World) -> list[str]:
    found: list[str] = made.status["release"].get("rejected", [])
    return found


def bad() -> World:
    """B does not load anywhere, and was tried."""
    made = fleet()
    made.broken = {(name, B) for name in made.nodes}
    return roll(made)
