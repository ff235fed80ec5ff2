"""Fleets whose pods change, wave by wave: what the tests of that share."""

from __future__ import annotations

from typing import Any

from edgewise.core.children.pulls import named
from tests.unit.core.rollouts import after
from tests.unit.core.world import World

NEW, WORSE = "registry.local/cpu:2", "registry.local/cpu:3"
UNKNOWN = "ImagePullBackOff: cannot pull registry.local/cpu:2: not found"
CRASHES = "CrashLoopBackOff: Error, exit code 1"


def changed(made: World, image: str = NEW, **rollout: Any) -> World:
    """A person sets another image; what comes of it until nothing moves but time."""
    spec = made.deployment.spec.rollout.model_dump(mode="json", by_alias=True, exclude_none=True)
    made.edit(serving={"image": image}, rollout={**spec, **rollout})
    return after(made, 0)


def renewed(made: World, image: str = NEW) -> set[str]:
    """Nodes whose pod runs the image."""
    return {pod.node for pod in made.pods.values() if pod.image == image}


def name(made: World) -> str:
    """Of the change on its way."""
    return str(made.status["rollout"]["pods"])


def pull_sets(made: World) -> dict[str, set[str]]:
    """Image -> nodes it is brought to."""
    return {puller.image: set(named(puller.affinity)) for puller in made.observed().pullers}
