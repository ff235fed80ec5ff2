"""Moves between profiles with the real DaemonSet controller: held, let go one at a time, and what that writes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from edgewise.api.names import HOLD_PREFIX, PROFILE_LABEL
from tests.scale.api import Body
from tests.scale.machines import RASPBERRY_PI
from tests.scale.swarm import NAMESPACE, Swarm, swarm

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio(loop_scope="module")]
SIZE = 6


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet() -> AsyncIterator[Swarm]:
    """Every second one is a Raspberry Pi, whose own profile has nothing to run yet."""
    async with swarm(SIZE, ("FP16",), reporting={"duringRollout": "1s"}) as made:
        yield made


async def labels(fleet: Swarm) -> list[dict[str, str]]:
    """Of each node."""
    return [node["metadata"]["labels"] for node in (await fleet.api.get("/api/v1/nodes"))["items"]]


async def pods(fleet: Swarm) -> dict[str, set[str]]:
    """Profile -> nodes that have a pod of it."""
    found = defaultdict[str, set[str]](set)
    for pod in (await fleet.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods"))["items"]:
        found[pod["metadata"]["labels"][PROFILE_LABEL]].add(pod["spec"]["nodeName"])
    return found


class Absence:
    """Nodes that had no pod that answers and is there to stay, told by the watch of pods."""

    def __init__(self) -> None:
        self.most = 0
        self._known = set[str]()
        self._pods: dict[str, tuple[str, bool]] = {}

    async def watch(self, fleet: Swarm) -> None:
        """For ever."""
        async for what, pod in fleet.api.watch(f"/api/v1/namespaces/{NAMESPACE}/pods"):
            self._heard(what, pod)
            serving = {node for node, answers in self._pods.values() if answers}
            self.most = max(self.most, len(self._known - serving))
            self._known |= serving

    def _heard(self, what: str, pod: Body) -> None:
        conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
        answers = conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]
        self._pods[pod["metadata"]["uid"]] = pod["spec"].get("nodeName", ""), answers and what != "DELETED"


async def test_a_better_build_moves_its_devices_one_at_a_time_with_two_writes_of_each_node(fleet: Swarm) -> None:
    pis = {machine.name for machine in fleet.machines.values() if machine.labels == RASPBERRY_PI}
    before, absence = fleet.operator.writes(), Absence()
    watching = asyncio.create_task(absence.watch(fleet))
    await fleet.release("2.0.0", ("FP16", "INT8"))
    await fleet.settled("2.0.0", patience=90)
    watching.cancel()
    writes = fleet.operator.writes() - before
    assert {name: placed & pis for name, placed in (await pods(fleet)).items()} == {
        "generic-arm64": set(),
        "raspberry-pi-4": pis,
    }
    assert not any(key.startswith(HOLD_PREFIX) for one in await labels(fleet) for key in one)
    assert writes["patch nodes"] == 2 * len(pis)
    assert absence.most == 1
