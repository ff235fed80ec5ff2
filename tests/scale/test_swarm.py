"""The swarm in small: real reports to the real operator; what holds for thirty devices must hold for hundreds."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from tests.scale.characters import HEALTHY, Character, cannot_load, errs
from tests.scale.swarm import Swarm, swarm

pytestmark = [pytest.mark.apiserver, pytest.mark.asyncio(loop_scope="module")]
SIZE, FIRST_WAVE = 30, 3
ROLLOUT = {
    "waves": [{"nodes": FIRST_WAVE}, {"percent": 100}],
    "gates": {"soak": "1s", "minRequests": 5, "errorRate": "0.02"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet() -> AsyncIterator[Swarm]:
    async with swarm(SIZE, rollout=ROLLOUT, reporting={"duringRollout": "1s"}) as made:
        yield made


async def test_a_rollout_reaches_every_device_and_writes_the_plan_once_a_wave(fleet: Swarm) -> None:
    before = fleet.operator.writes()
    await fleet.release("1.1.0")
    await fleet.serving("1.1.0", fleet.machines.values())
    await fleet.settled("1.1.0")
    writes = fleet.operator.writes() - before
    assert writes["patch configmaps"] == len(ROLLOUT["waves"]) + 1  # and once for its promotion
    assert _of_devices(writes) == {}


async def test_offline_devices_hold_nobody_up_and_take_what_was_promoted_once_they_are_back(fleet: Swarm) -> None:
    away, before = list(fleet.machines.values())[: SIZE // 3], fleet.stable
    await fleet.cut(away)
    await fleet.release("1.2.0")
    await fleet.serving("1.2.0", fleet.online)
    await fleet.settled("1.2.0")
    assert {machine.version for machine in away} == {before}
    await fleet.heal(away)
    await fleet.serving("1.2.0", away)


@pytest.mark.parametrize(
    ("version", "character", "most"),
    [("2.0.0", cannot_load, 0), ("3.0.0", errs, FIRST_WAVE)],
    ids=["does not load", "answers with errors"],
)
async def test_a_bad_release_is_taken_back_from_the_first_wave(
    fleet: Swarm, version: str, character: Callable[[str], Character], most: int
) -> None:
    before = fleet.stable
    for machine in fleet.machines.values():
        machine.character = character(version)
    await fleet.release(version)
    await fleet.taken_back(version)
    await fleet.serving(before, fleet.machines.values())
    assert sum(machine.served_ever(version) for machine in fleet.machines.values()) <= most
    for machine in fleet.machines.values():
        machine.character = HEALTHY


def _of_devices(writes: Counter[str]) -> dict[str, int]:
    """Those to objects that there is one of for each device."""
    return {call: number for call, number in writes.items() if call.endswith((" pods", " nodes"))}
