"""Five hundred simulated devices, a third of them offline: is anybody held up, and how soon are they back in step?

Called by `make bench-ota`. The swarm is tests/scale/swarm.py; what an operator costs with so many devices is told, too.
"""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from tests.bench.figures import Figure, Report
from tests.scale.cost import cost
from tests.scale.machines import Machine
from tests.scale.swarm import Swarm, swarm

SIZE, AWAY, ROUNDS = 500, 150, 3
ROLLOUT = {"waves": [{"nodes": 5}, {"percent": 20}, {"percent": 100}], "gates": {"soak": "1s"}}
KUBELET_LATE = 20.0
"""Seconds from a link's return to its node's Ready; real kubelets were seen to take up to a minute."""
_AT_REST = 20.0  # seconds


def figures(report: Report) -> None:
    report.settings["fleet"] = f"{SIZE} simulated devices, {AWAY} of them offline; waves and gates {ROLLOUT}"
    asyncio.run(_measured(report))


async def _measured(report: Report) -> None:
    async with swarm(SIZE, rollout=ROLLOUT) as fleet:
        await _resting(report, fleet)
        everybody = list(fleet.machines.values())
        away, there = everybody[:AWAY], everybody[AWAY:]
        took: dict[str, list[float]] = {"all online": [], "30 % offline": []}
        back, crowd, work = list[float](), list[float](), list[float]()
        for number in range(ROUNDS):
            version = f"2.{number}.0"
            before = cost(fleet.operator.process.pid).cpu
            took["all online"].append(await _rolled_out(fleet, version, everybody))
            work.append(cost(fleet.operator.process.pid).cpu - before)
            await fleet.cut(away)
            took["30 % offline"].append(await _rolled_out(fleet, f"3.{number}.0", there))
            healed = await fleet.heal(away, kubelet_late=KUBELET_LATE)
            await fleet.serving(f"3.{number}.0", away)
            back += [machine.serves_since(f"3.{number}.0") - healed for machine in away]
            crowd.append(_most_in_a_second(away, healed))
            await fleet.settled(f"3.{number}.0")
        ratio = [part / whole for part, whole in zip(took["30 % offline"], took["all online"], strict=True)]
        name = f"rollout with {AWAY} of {SIZE} devices offline all along, the others / all online"
        report.add(Figure(name, ratio, "x", limit=1.1, raw=took))
        report.add(Figure("reconnect to its released version, slowest", back, "s", limit=10, summary=max))
        report.add(Figure(f"most reports in one second as {AWAY} return", crowd, "", summary=max))
        report.add(Figure(f"operator: CPU of one rollout over {SIZE} devices", work, "s"))
        peak = cost(fleet.operator.process.pid).peak
        report.add(Figure(f"operator: most resident memory with {SIZE} devices", [peak], "MiB"))


async def _rolled_out(fleet: Swarm, version: str, machines: Sequence[Machine]) -> float:
    """Seconds from the new spec to the last of them serving it."""
    began = await fleet.release(version)
    seconds = await fleet.serving(version, machines, patience=120) - began
    await fleet.settled(version)
    return seconds


def _most_in_a_second(machines: Iterable[Machine], since: float) -> float:
    """Reports of theirs that the operator took."""
    times = sorted(said.at for machine in machines for said in machine.said if said.at >= since)
    return float(max(bisect_left(times, begun + 1.0) - number for number, begun in enumerate(times)))


async def _resting(report: Report, fleet: Swarm) -> None:
    """Nothing happens but what must."""
    pid, began = fleet.operator.process.pid, time.monotonic()
    before = cost(pid).cpu
    await asyncio.sleep(_AT_REST)
    share = (cost(pid).cpu - before) / (time.monotonic() - began)
    report.add(Figure(f"operator at rest with {SIZE} devices: share of one core", [100 * share], "%"))
