"""Releases that are bad in every way, over a fleet of simulated devices: who ever served them, and how soon it ends.

Called by `make bench-ota`. Every device that the fault concerns has it: nothing but the rollout stands in its way.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.figures import Figure, Report
from tests.scale import characters
from tests.scale.characters import HEALTHY, Character
from tests.scale.machines import RASPBERRY_PI, Machine
from tests.scale.swarm import FIRST, Swarm, swarm

SIZE, FIRST_WAVE = 60, 5
GATES = {"soak": "10s", "minRequests": 50, "errorRate": "0.02", "latencyRatio": "1.5"}
ROLLOUT = {"waves": [{"nodes": FIRST_WAVE}, {"percent": 20}, {"percent": 100}], "gates": GATES}
REPORTING = {"duringRollout": "2s", "interval": "10s"}


@dataclass(frozen=True)
class Case:
    """One way to be bad."""

    character: Callable[[str], Character]
    serves: bool
    """It is found out only once it answers requests."""
    concerns: Callable[[Machine], bool] = lambda _: True


CASES = {
    "does not load": Case(characters.cannot_load, serves=False),
    "wrong outputs (self test)": Case(characters.gives_wrong_outputs, serves=False),
    "answers with errors": Case(characters.errs, serves=True),
    "three times as slow": Case(characters.slows_down, serves=True),
    "does not load on one profile": Case(
        characters.cannot_load, serves=True, concerns=lambda machine: machine.labels == RASPBERRY_PI
    ),
}


def figures(report: Report) -> None:
    report.settings["bad releases"] = f"{SIZE} simulated devices, {ROLLOUT}, {REPORTING}"
    asyncio.run(_measured(report))


async def _measured(report: Report) -> None:
    served, frozen = dict[str, list[float]](), dict[str, list[float]]()
    async with swarm(SIZE, rollout=ROLLOUT, reporting=REPORTING) as fleet:
        for number, (name, case) in enumerate(CASES.items(), 2):
            served[name], frozen[name] = await _tried(fleet, case, f"{number}.0.0")
    serving = {name: runs for name, runs in served.items() if CASES[name].serves}
    refused = {name: runs for name, runs in served.items() if not CASES[name].serves}
    shares = [nodes / FIRST_WAVE for [nodes] in serving.values()]
    report.add(Figure("bad release: nodes that ever served it / first wave", shares, "x", "less", 1.0, max, serving))
    nodes = [nodes for [nodes] in refused.values()]
    report.add(Figure("bad release found out before it serves: nodes", nodes, "", "less", 0.0, max, refused))
    seconds = [seconds for [seconds] in frozen.values()]
    report.add(Figure("freeze of the rollout after the first bad report", seconds, "s", "less", 5.0, max, frozen))


async def _tried(fleet: Swarm, case: Case, version: str) -> tuple[list[float], list[float]]:
    """([nodes that ever served it], [seconds from the first report against it to the plan that takes it back])."""
    for machine in fleet.machines.values():
        machine.character = case.character(version) if case.concerns(machine) else HEALTHY
    await fleet.release(version)
    taken_back = await fleet.taken_back(version)
    await fleet.serving(FIRST, fleet.machines.values())
    machines = fleet.machines.values()
    nodes = sum(machine.served_ever(version) for machine in machines)
    bad = min(said.at for machine in machines for said in machine.said if said.bad == version)
    return [float(nodes)], [taken_back - bad]
