"""What the operator writes in a rollout, with few devices and with many: statuses and pokes aside.

Called by `make bench-ota`. Counted in the API server's audit log.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from tests.bench.figures import Figure, Report
from tests.scale.swarm import Swarm, swarm

SIZES = (30, 120)
ROLLOUT = {"waves": [{"nodes": 5}, {"percent": 20}, {"percent": 100}], "gates": {"soak": "1s"}}
WAVES = 3
IMAGE = "registry.local/cpu:2"
BESIDES = 6
"""What a rollout writes once: a model's revision, a release, the plan of its start and of its promotion, two events."""
OF_A_MOVE = 2
"""What a move writes once beside that: the local Service, which knows ready pods only meanwhile, there and back."""


@dataclass
class Written:
    """In each kind of change: {verb and resource: how often}."""

    model: Counter[str]
    template: Counter[str]
    """Of all pods: resources."""
    image: Counter[str]
    """Likewise, brought to every device before."""
    move: Counter[str]
    """Of half of the devices, the Raspberry Pis, to their own profile."""


def figures(report: Report) -> None:
    few, many = (asyncio.run(_counted(size)) for size in SIZES)
    size, moved = SIZES[1], SIZES[1] // 2
    report.settings["writes"] = f"{WAVES} waves; of {size} simulated devices: {many}"
    total = {f"{SIZES[0]} devices": [float(few.model.total())], f"{size} devices": [float(many.model.total())]}
    rows = {
        f"writes of a model rollout in {WAVES} waves, {size} devices": (many.model.total(), 2 * WAVES + BESIDES),
        f"writes of a model rollout, {size} devices minus {SIZES[0]}": (many.model.total() - few.model.total(), 0),
        f"writes of a template change, {size} devices": (many.template.total(), size + 2 * WAVES + BESIDES),
        f"writes of an image change, {size} devices": (many.image.total(), size + 3 * WAVES + BESIDES),
        f"writes of a move of {moved} devices between profiles": (
            many.move.total(),
            2 * moved + 2 * WAVES + BESIDES + OF_A_MOVE,
        ),
    }
    for name, (value, limit) in rows.items():
        report.add(Figure(name, [value], "", limit=limit, raw=total if "model" in name else {}))


async def _counted(size: int) -> Written:
    """Only plain builds at first: the Raspberry Pis' own profile has nothing to run."""
    async with swarm(size, ("FP16",), rollout=ROLLOUT) as fleet:
        counts = [_writes(fleet)]
        await fleet.release("2.0.0", ("FP16",))
        await fleet.serving("2.0.0", fleet.machines.values(), patience=120)
        await fleet.settled("2.0.0")
        counts.append(_writes(fleet))
        await fleet.edit(serving={"resources": {"requests": {"memory": "256Mi"}}})
        await fleet.settled("2.0.0", patience=150)
        counts.append(_writes(fleet))
        await fleet.edit(serving={"image": IMAGE})
        await fleet.settled("2.0.0", patience=150)
        counts.append(_writes(fleet))
        await fleet.release("3.0.0", ("FP16", "INT8"))
        await fleet.serving("3.0.0", fleet.machines.values(), patience=150)
        await fleet.settled("3.0.0", patience=150)
        counts.append(_writes(fleet))
        return Written(*(after - before for before, after in pairwise(counts)))


def _writes(fleet: Swarm) -> Counter[str]:
    """So far. A patch of a pod is a poke, which stands in for a request that the pod network did not take."""
    calls = fleet.operator.writes()
    return Counter({call: n for call, n in calls.items() if not call.endswith("/status") and call != "patch pods"})
